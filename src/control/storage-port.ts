/**
 * What the control plane asks of repositories and their volumes. It decides and records; the service does
 * (src/service/storage), above the arrays' control ports and the layers that emulate what an array cannot.
 *
 * Where a call makes or changes something lasting, `keep` writes it into the catalog: it is called once, when
 * everything of it is on stable storage, in the transaction in which the service keeps its own records. When it
 * throws, the thing is undone.
 */
import type {
  ArrayHealth,
  ArrayInfo,
  CapabilitySet,
  CheckOptions,
  CheckReport,
  HostIdentity,
  ProbeAnswer,
  RepositorySpace,
  SettingField,
  SettingValue,
} from '../repositories/index.ts';

export interface AdapterKind {
  readonly kind: string;
  readonly description: string;
  readonly settings: readonly SettingField[];
}

export interface RepositoryTarget {
  readonly kind: string;
  readonly settings: Readonly<Record<string, SettingValue>>;
  readonly secrets: Readonly<Record<string, string>>;
}

export interface AttachRequest extends RepositoryTarget {
  readonly repositoryId: string;
  /** It is new: the storage must be empty, and becomes ours. */
  readonly create: boolean;
  /** Another server owned it. */
  readonly takeOver: boolean;
}

export interface AttachedRepository {
  readonly info: ArrayInfo;
  /** What its users get: `emulated` where we do what the array cannot. */
  readonly capabilities: CapabilitySet;
}

export interface RepositorySpaceNow extends RepositorySpace {
  /** Bytes promised to volumes; undefined: not known. */
  readonly provisioned?: number;
}

/** Progress of a long call, and how to end it. */
export interface Call {
  readonly signal: AbortSignal;
  /** @param fraction 0 … 1 */
  readonly progress: (fraction: number) => void;
}

/** What the service knows a volume or snapshot by: its own business, kept in the catalog as JSON. */
export type StorageHandle = Readonly<Record<string, unknown>>;

export interface StoredVolume {
  readonly handle: StorageHandle;
  /** Bytes: what was asked for, rounded up to what the array can. */
  readonly size: number;
  readonly thin: boolean;
  readonly wwid: string | undefined;
}

export interface StoredSnapshot {
  readonly handle: StorageHandle;
  readonly snapshotId: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly emulated: boolean;
}

export interface VolumeName {
  readonly repositoryId: string;
  readonly volumeId: string;
  readonly handle: StorageHandle;
}

export interface SnapshotName {
  readonly repositoryId: string;
  /** Its volume; undefined: that one is deleted, and the snapshot lives on. */
  readonly volumeId: string | undefined;
  readonly snapshotId: string;
  readonly handle: StorageHandle;
}

export interface ForeignVolume {
  /** To be given to adopt. */
  readonly nativeId: string;
  readonly name: string;
  readonly size: number;
  readonly wwid: string | undefined;
  /** It was ours, and is not known any more: the id that it had, or that of what it was a part of. */
  readonly tag?: string | undefined;
}

export interface VolumeMapping {
  readonly host: string;
  readonly mode: 'rw' | 'ro';
  readonly lun: number | undefined;
  readonly sessions: readonly string[];
  readonly portals: readonly string[];
  readonly iqn: string | undefined;
  readonly path: string | undefined;
}

export interface VolumeLive {
  /** Open NBD connections. */
  readonly connections: number;
  /** Bytes; undefined: the array does not say. */
  readonly allocated: number | undefined;
}

export interface ChangedRange {
  readonly offset: number;
  readonly length: number;
  /** hole: reads as zeroes. */
  readonly kind: 'data' | 'hole';
}

/** What has become of something: called in the transaction in which it is settled. */
export interface Settlement {
  /** As the storage has it now; it may be what it was. */
  readonly changed: (volumeId: string, volume: StoredVolume) => void;
  readonly gone: (what: 'volume' | 'snapshot', id: string) => void;
}

/** Every method fails with a Fault. */
export interface Storage {
  kinds(): readonly AdapterKind[];
  probe(target: RepositoryTarget, signal: AbortSignal): Promise<ProbeAnswer>;

  /**
   * Of storage that this service has not attached.
   * @param target.repositoryId the one that is meant; undefined: whatever is there
   * @throws Fault UNSUPPORTED: nothing is kept there that could be checked
   */
  check(
    target: RepositoryTarget & { readonly repositoryId?: string },
    options: CheckOptions,
  ): Promise<CheckReport>;

  attach(request: AttachRequest, signal: AbortSignal): Promise<AttachedRepository>;
  /**
   * Settles when nothing of ours reads or writes it any more: another server may have it from then on.
   * @returns false: by force, and a thread that did not answer may still write to it as long as the service runs
   * @throws Fault IN_USE while a volume of it is open or changed, UNAVAILABLE when a thread does not let go of it in
   *   time; neither with `force`
   */
  detach(repositoryId: string, options: { readonly force: boolean }): Promise<boolean>;
  isAttached(repositoryId: string): boolean;
  /** undefined: the array cannot tell. */
  space(repositoryId: string): Promise<RepositorySpaceNow | undefined>;
  /** Bytes of the one device that carries it; undefined: there is no such, or it is not attached. Nothing is asked. */
  deviceSize(repositoryId: string): number | undefined;
  /** As it is now: limits grow with the device. */
  info(repositoryId: string): ArrayInfo;
  /** Asks how large that device is, and uses what it has grown by. */
  refresh(repositoryId: string): Promise<void>;
  health(repositoryId: string): Promise<ArrayHealth>;

  createVolume<T>(
    request: {
      readonly repositoryId: string;
      readonly volumeId: string;
      readonly name: string;
      readonly size: number;
      readonly thin: boolean;
    },
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T>;
  /** @throws Fault IN_USE (open, or mapped), NOT_FOUND. Snapshots of it live on, if the array can; else IN_USE names them. */
  deleteVolume(volume: VolumeName, keep: () => void, call: Call): Promise<void>;
  resizeVolume<T>(
    volume: VolumeName,
    size: number,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T>;
  /**
   * Looks at what storage was asked to change or delete when no `keep` was told what came of it: the service had ended,
   * or the answer was lost. What cannot be seen now, or what `keep` refuses, is left for the next call.
   * @throws Fault UNAVAILABLE: it is not attached
   */
  settle(repositoryId: string, keep: Settlement): Promise<void>;
  listForeign(repositoryId: string): Promise<readonly ForeignVolume[]>;
  adopt<T>(
    request: {
      readonly repositoryId: string;
      readonly nativeId: string;
      readonly volumeId: string;
      /** It was ours: what listForeign says, which spares a look at all there is. */
      readonly tag?: string | undefined;
    },
    keep: (volume: StoredVolume) => T,
  ): Promise<T>;
  /** Of one that is still there, by what the array says now. */
  volumeLive(volume: VolumeName): Promise<VolumeLive>;

  /** Several: of one moment. */
  snapshot<T>(
    request: {
      readonly of: readonly {
        readonly volume: VolumeName;
        readonly snapshotId: string;
        readonly name: string;
      }[];
    },
    keep: (snapshots: readonly StoredSnapshot[]) => T,
    call: Call,
  ): Promise<T>;
  deleteSnapshot(snapshot: SnapshotName, keep: () => void, call: Call): Promise<void>;
  /** @param request.repositoryId of the clone; another one than the source's: full only, copied by us */
  clone<T>(
    request: {
      readonly source: VolumeName | SnapshotName;
      readonly repositoryId: string;
      readonly volumeId: string;
      readonly name: string;
      readonly kind: 'linked' | 'full';
    },
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T>;
  split<T>(volume: VolumeName, keep: (volume: StoredVolume) => T, call: Call): Promise<T>;
  /** @throws Fault IN_USE while it is open */
  revert<T>(
    volume: VolumeName,
    snapshot: SnapshotName,
    keep: (volume: StoredVolume) => T,
    call: Call,
  ): Promise<T>;
  /**
   * @param range.from undefined: all that `to` holds
   * @param range.to a volume: as it is now; what was flushed before the call is in it, also while others write
   * @param range.grown what `to` has grown by since `from`: `told` all of it has changed; `as-written` what nobody wrote
   *   to has not
   * @throws Fault UNSUPPORTED: of this volume it can be told only up to a snapshot
   */
  diff(range: {
    readonly from: SnapshotName | undefined;
    readonly to: SnapshotName | VolumeName;
    readonly offset: number;
    readonly length: number;
    readonly limit: number;
    readonly grown?: 'told' | 'as-written';
  }): Promise<readonly ChangedRange[]>;

  map(
    volume: VolumeName,
    request: {
      readonly host: HostIdentity;
      readonly mode: 'rw' | 'ro';
      readonly chap?: {
        readonly user: string;
        readonly password: string;
        readonly mutual?: { readonly user: string; readonly password: string };
      };
    },
  ): Promise<VolumeMapping>;
  unmap(
    volume: VolumeName,
    host: string | undefined,
    options: { readonly force: boolean },
  ): Promise<void>;
  mappings(volume: VolumeName): Promise<readonly VolumeMapping[]>;
  /** Cuts a host off from all of the repository at once, whatever it has open. @throws Fault UNSUPPORTED */
  fence(repositoryId: string, host: HostIdentity): Promise<void>;
  /** Lets it in again: what it had open stays ended. @throws Fault UNSUPPORTED */
  unfence(repositoryId: string, host: HostIdentity): Promise<void>;
  /** Initiators and addresses that are cut off, as the array says. @throws Fault UNSUPPORTED */
  fenced(repositoryId: string): Promise<readonly string[]>;
}
