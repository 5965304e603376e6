/** Inputs and answers of the operations, as JSON Schema and as TypeScript types. */
export {
  EventView,
  LeaseView,
  ListEventsInput,
  StatusView,
  TaskView,
} from './activity.ts';
export {
  ApproveEnrolmentInput,
  EnrolmentPolicyInput,
  EnrolmentPolicyView,
  EnrolmentView,
} from './enrolment.ts';
export { items } from './fields.ts';
export { AddMachineInput, MachineView, UpdateMachineInput } from './machine.ts';
export { ImportVdiskInput, UpdateVdiskInput, VdiskView } from './vdisk.ts';
export {
  BeginVersionInput,
  CaptureMachineInput,
  MergeVersionInput,
  OverlayChangesView,
  PromoteVersionInput,
  RevertVdiskInput,
  UpdateVersionInput,
  VersionNumberField,
  VersionView,
} from './version.ts';
