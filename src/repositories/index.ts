/** Repositories and volumes: the ports that adapters implement. Read first: ports.ts, adapter.ts, array-control.ts. */
export type {
  Adapter,
  AdapterLog,
  AdapterParts,
  AskControl,
  Connection,
  ProbeAnswer,
  ProbeFinding,
  SettingField,
  SettingValue,
} from './adapter.ts';
export {
  type ArrayControl,
  type ArrayHealth,
  type ArrayInfo,
  type ArrayLimits,
  type ArrayLink,
  type ArrayMapping,
  type ArrayRef,
  type ArraySnapshot,
  type ArrayVolume,
  type CallOptions,
  type CloneControl,
  type CreateVolume,
  type HealthState,
  type HostIdentity,
  type MaskingControl,
  type Mutation,
  type Page,
  REPLICATION_STATES,
  type ReplicationControl,
  type ReplicationState,
  type SnapshotControl,
} from './array-control.ts';
export {
  checkArrayName,
  checkGrows,
  checkNotCancelled,
  pageAfter,
  roundedSize,
} from './array-requests.ts';
export {
  CAPABILITY_FLAGS,
  type CapabilityFlag,
  type CapabilitySet,
  type CapabilityValue,
  capabilities,
} from './capabilities.ts';
export {
  type AttachCarvedRequest,
  attachCarved,
  CARVED_SETTINGS,
  type CarvedControl,
  type CarvedDescription,
  type CarvedVolumeDataOptions,
  carvedCapabilities,
  carvedSettings,
  carvedVolumeData,
  findingOfContent,
  fsckCarved,
} from './carved/index.ts';
export type { CheckFinding, CheckOptions, CheckReport } from './check-report.ts';
export { deleteVolumes } from './delete-volumes.ts';
export { everyVolume } from './every-volume.ts';
export {
  freeBytesOf,
  type RepositorySpace,
  type Volume,
  type VolumeControl,
  type VolumeData,
  type VolumeLocator,
} from './ports.ts';
export {
  type Change,
  type ChangeSource,
  type CopiedPoint,
  type CopyCursor,
  type CopyFigures,
  type CopyRequest,
  type CopyWork,
  copyPoint,
  NO_FIGURES,
  type ReadContent,
  readContent,
  Throttle,
  type Verification,
} from './replication/index.ts';
export { checkVolumeId } from './volume-id.ts';
