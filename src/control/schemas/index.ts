/** Inputs and answers of the operations, as JSON Schema and as TypeScript types. */
export {
  EventView,
  LeaseView,
  ListEventsInput,
  StatusView,
  TaskView,
} from './activity.ts';
export {
  BootRuleView,
  BootsView,
  BootTimelineView,
  ImportTraceInput,
  SetBootRuleInput,
  TraceFileView,
  TraceView,
} from './boot.ts';
export { BootMediumQuery } from './boot-media.ts';
export { AddCollectionInput, CollectionView, UpdateCollectionInput } from './collection.ts';
export {
  ApproveEnrolmentInput,
  EnrolmentPolicyInput,
  EnrolmentPolicyView,
  EnrolmentView,
} from './enrolment.ts';
export { items } from './fields.ts';
export { AddHookInput, HookView, UpdateHookInput } from './hook.ts';
export {
  AddHostInput,
  AddVolumeGroupInput,
  FenceInput,
  FenceView,
  HostView,
  UpdateHostInput,
  UpdateVolumeGroupInput,
  VolumeGroupView,
} from './host.ts';
export {
  AddMachineInput,
  ListMachinesInput,
  MachineView,
  UpdateMachineInput,
  UpdateMachinesInput,
} from './machine.ts';
export {
  PersonalityView,
  ReplacePersonalityInput,
  UpdatePersonalityInput,
} from './personality.ts';
export {
  CreateReplicationInput,
  DeleteReplicationQuery,
  FailoverInput,
  ReplicationView,
  ResyncInput,
  TestFailoverInput,
  UpdateReplicationInput,
  VerifyReplicationInput,
} from './replication.ts';
export {
  AttachRepositoryInput,
  CreateRepositoryInput,
  ForceInput,
  HealthView,
  ProbeInput,
  ProbeView,
  RepositoryKindView,
  RepositoryView,
  UpdateRepositoryInput,
} from './repository.ts';
export { CheckRepositoryInput, CheckStorageInput } from './repository-check.ts';
export {
  CreateSnapshotInput,
  DiffInput,
  DiffView,
  GroupSnapshotInput,
  ListSnapshotsInput,
  SnapshotView,
  UpdateSnapshotInput,
} from './snapshot.ts';
export {
  AddSnapshotScheduleInput,
  SnapshotScheduleView,
  UpdateSnapshotScheduleInput,
} from './snapshot-schedule.ts';
export {
  AdoptVolumeInput,
  CloneInput,
  CreateVolumeInput,
  ForeignVolumeView,
  MappingView,
  MapVolumeInput,
  PageInput,
  page,
  ResizeVolumeInput,
  RevertVolumeInput,
  UpdateVolumeInput,
  VolumeLiveView,
  VolumeView,
} from './stored-volume.ts';
export {
  BundleQuery,
  BundleView,
  ChunksQuery,
  ExportBundleInput,
  ExportVersionInput,
  ImportBundleInput,
  InventoryView,
  PullBundleInput,
  ReceiveBundleInput,
  UploadVdiskInput,
  VersionContentInput,
} from './transfer.ts';
export { ImportVdiskInput, UpdateVdiskInput, VdiskView } from './vdisk.ts';
export { ReplicateVdiskInput, VdiskReplicaView } from './vdisk-replica.ts';
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
export { AddXenUserInput, UpdateXenUserInput, XenUserView } from './xen-user.ts';
