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
export { items, MacField, NameField } from './fields.ts';
export { AddMachineInput, BootView, MachineView, UpdateMachineInput } from './machine.ts';
export { IMAGE_FORMATS, ImportVdiskInput, VdiskView, VersionView } from './vdisk.ts';
