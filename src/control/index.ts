/**
 * The control plane: what Rootcast knows (catalog/), what it can be asked to do (operations/), and
 * the ports through which the rest of the service does it (ports.ts). Read first: control.ts.
 */

export { actingAs } from './actor.ts';
export type { BootMedia, BootMediumRequest } from './boot-media-port.ts';
export type { AheadRequest, BootReadGauges, BootReads } from './boot-reads-port.ts';
export { observeBoots } from './boots/observe-boots.ts';
export { observeCaches } from './boots/observe-caches.ts';
export { WarmStart } from './boots/warm-start.ts';
export { type CacheReport, type ReportOutcome, reportCache } from './caches/report-cache.ts';
export { type Catalog, openCatalog } from './catalog/catalog.ts';
export {
  layerVolumes,
  listVdiskDisks,
  type MachineDisk,
  machineDisk,
  machineDiskById,
  overlayOwners,
  type VdiskDisk,
  vdiskDisk,
  versionDisk,
} from './catalog/disks.ts';
export type {
  EventRecord,
  LayerRecord,
  LeaseRecord,
  MachineRecord,
  OpenVersion,
  TaskRecord,
} from './catalog/records.ts';
export { isDeviceCache } from './catalog/records.ts';
export type { ChangedTable, RowChange } from './catalog/row-changes.ts';
export type {
  GroupRecord,
  HookAction,
  HookMoment,
  RepositoryRecord,
  SnapshotRecord,
  VolumeRecord,
} from './catalog/storage/records.ts';
export type { TrackedDisk } from './catalog/storage/tracked-disk-table.ts';
export { XEN_ROLES, type XenObjectRecord, type XenRole } from './catalog/xen/records.ts';
export { type Changes, changesBetween } from './changes/between.ts';
export { ChangedBlocks } from './changes/changed-blocks.ts';
export { discardData, forgetChanges } from './changes/discard.ts';
export { ChangeLogObserver } from './changes/observe-change-logs.ts';
export {
  disksWithoutData,
  isLeaving,
  trackChanges,
  trackedDisk,
  untrackChanges,
} from './changes/track.ts';
export {
  type Control,
  type ControlOptions,
  closeControl,
  createControl,
  type NewEvent,
  recordEvent,
} from './control.ts';
export type { HookCall, HookEnd, HookRunner } from './hook-port.ts';
export {
  CHANGE_BLOCK_BYTES,
  MAX_NAME_LENGTH,
} from './limits.ts';
export * from './operations/index.ts';
export type {
  BootFileNames,
  CacheMode,
  Clock,
  DataPlane,
  DataPlaneTotals,
  ImageStore,
  ImportedLayer,
  ImportProgress,
  ImportRequest,
  LayersInUse,
  MachineConnection,
  MachineLive,
  MergeRequest,
  OverlayChanges,
  OverlayFacts,
  SealRequest,
  StoredLayer,
  VerifiedLayer,
  VerifyRequest,
} from './ports.ts';
export type { ImagePreparer, PreparedImage, PrepareRequest } from './prepare-port.ts';
export { recoverControl } from './recover.ts';
export type { LayerCopyRequest, LayerReplicas } from './replica-port.ts';
export {
  copiesToRead,
  copyToRead,
  homeOf,
  isReachable,
  type LayerCopy,
  placeOf,
  type Reach,
  volumeIdIn,
} from './replicas/copies-of-layer.ts';
export { VdiskReplicaObserver } from './replicas/observe-vdisk-replicas.ts';
export { refuseReplicated } from './replication/refuse-replicated.ts';
export type {
  ArrayLinks,
  CopyPointRequest,
  CopyWatch,
  LinkStatus,
  ReplicationParts,
  Replicator,
} from './replication-port.ts';
export * from './schemas/index.ts';
export { snapshotNameOf, volumeNameOf } from './storage/names.ts';
export { RepositoryObserver } from './storage/observe-repositories.ts';
export { observeSchedules } from './storage/observe-schedules.ts';
export type * from './storage-port.ts';
export type {
  AdapterKind,
  AttachedRepository,
  AttachRequest,
  Call,
  ChangedRange,
  ForeignVolume,
  RepositorySpaceNow,
  RepositoryTarget,
  Settlement,
  SnapshotName,
  Storage,
  StorageHandle,
  StoredSnapshot,
  StoredVolume,
  VolumeLive,
  VolumeMapping,
  VolumeName,
} from './storage-port.ts';
export { faultOf } from './tasks/task-runner.ts';
export type {
  BundleHead,
  BundleOrigin,
  ExportRequest,
  FileRequest,
  IncomingStream,
  OutgoingBundle,
  OutgoingStream,
  ReceivedBundle,
  ReceivedLayer,
  ReceiveRequest,
  Transfers,
  WrittenFile,
} from './transfer-port.ts';
export { freeName, isNameOf, shortDescription } from './values/free-name.ts';
export { NO_BOOT_FILES } from './values/no-boot-files.ts';
export { writeLock } from './versions/lease-lock.ts';
export { maintain } from './versions/maintain.ts';
export { productionVersion } from './versions/which-version.ts';
