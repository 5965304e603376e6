/**
 * What replication needs of the service besides Storage (storage-port.ts): copying points between repositories, and the
 * arrays' own replication. Blocks are read and written elsewhere (a worker); here it is decided what.
 * Every method fails with a Fault.
 */
import type {
  CopiedPoint,
  CopyCursor,
  CopyFigures,
  ReadContent,
  ReplicationState,
  Verification,
} from '../repositories/index.ts';
import type { SnapshotName, StoredVolume, VolumeName } from './storage-port.ts';

export interface CopyPointRequest {
  /** Whose throttle it shares. */
  readonly replicationId: string;
  readonly source: SnapshotName;
  /** Bytes of the point. */
  readonly size: number;
  /** The head of the replica: nobody else has it open. */
  readonly target: VolumeName;
  /** The last common point, as it is on the side of the source; the target held it before the copy began. */
  readonly since: { readonly base: SnapshotName; readonly sum: string } | undefined;
  readonly compare: boolean;
  readonly verification: Verification;
  readonly cursor: CopyCursor | undefined;
}

export interface CopyWatch {
  readonly signal: AbortSignal;
  /** Everything before it is in the target, flushed, and was read back. Returns when it is kept. */
  readonly record: (cursor: CopyCursor) => void;
  /** @param fraction 0 … 1 */
  readonly progress: (fraction: number, figures: CopyFigures) => void;
}

export interface Replicator {
  /**
   * The target holds the point, flushed.
   * @throws Fault NOT_FOUND (a snapshot is gone), UNSUPPORTED (what differs cannot be told: nothing was written),
   *   NO_SPACE, UNREACHABLE, UNAVAILABLE (a device fails, or it does not hold what it was given), CANCELLED
   */
  copy(request: CopyPointRequest, watch: CopyWatch): Promise<CopiedPoint>;
  /**
   * Reads all of a snapshot.
   * @param request.size bytes, of the point
   */
  read(
    request: {
      readonly replicationId: string;
      readonly snapshot: SnapshotName;
      readonly size: number;
    },
    watch: {
      readonly signal: AbortSignal;
      readonly progress: (fraction: number) => void;
    },
  ): Promise<ReadContent>;
  /** Of what runs and of what will. @param bytesPerSecond undefined: as fast as it goes */
  setThrottle(replicationId: string, bytesPerSecond: number | undefined): void;
}

export interface LinkStatus {
  readonly role: 'primary' | 'secondary';
  readonly state: ReplicationState;
  /** The array's own words. */
  readonly description: string;
  /** Milliseconds since the epoch of the newest moment that is complete on the other side. */
  readonly syncedAt: number | undefined;
}

/** The arrays' own replication: ReplicationControl of both ends. */
export interface ArrayLinks {
  /**
   * Why the arrays cannot replicate these volumes by themselves, for people; undefined: they can.
   * @param volumes of the first repository
   */
  obstacle(
    fromRepositoryId: string,
    toRepositoryId: string,
    volumes: readonly VolumeName[],
  ): Promise<string | undefined>;
  enable(volume: VolumeName): Promise<LinkStatus>;
  disable(volume: VolumeName): Promise<void>;
  /** undefined: there is no link. */
  status(volume: VolumeName): Promise<LinkStatus | undefined>;
  /**
   * Takes the copy that the arrays have made into our keeping; undefined: it is not there yet. What has its name and is
   * no copy is left alone.
   */
  adoptCopy<T>(
    volume: VolumeName,
    copy: { readonly repositoryId: string; readonly volumeId: string },
    keep: (stored: StoredVolume) => T,
  ): Promise<T | undefined>;
  /** A volume as its array shows it now; undefined: it is not there. */
  shown<T>(volume: VolumeName, keep: (stored: StoredVolume) => T): Promise<T | undefined>;
  /** @returns what `syncedAt` will be when it has arrived; undefined: the array does not say */
  syncNow(volume: VolumeName): Promise<number | undefined>;
  /**
   * Settles when the copy holds what was sent at a moment (of `syncNow`), however long that takes.
   * @throws Fault UNAVAILABLE: the array says that it does not copy any more; CANCELLED
   */
  arrived(copy: VolumeName, moment: number, signal: AbortSignal): Promise<void>;
  /**
   * Waits while the other end's demotion is on its way to it. Again, of what is promoted: fine.
   * @throws Fault UNAVAILABLE: it did not arrive, or both ends were written; CANCELLED
   */
  promote(
    volume: VolumeName,
    options: { readonly force: boolean; readonly signal?: AbortSignal },
  ): Promise<LinkStatus>;
  demote(volume: VolumeName): Promise<LinkStatus>;
  /** What this side has is thrown away for what the other has. */
  resync(volume: VolumeName): Promise<LinkStatus>;
}

export interface ReplicationParts {
  readonly replicator: Replicator;
  /** undefined: arrays do nothing by themselves here. */
  readonly links: ArrayLinks | undefined;
  /**
   * Ends every connection to a volume, and settles when nobody has it open.
   * @throws Fault UNAVAILABLE when one does not end
   */
  readonly endConnections: (volumeId: string) => Promise<void>;
}
