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
  /** Both ends replicate by themselves, and to each other. */
  canLink(fromRepositoryId: string, toRepositoryId: string): Promise<boolean>;
  enable(volume: VolumeName): Promise<LinkStatus>;
  disable(volume: VolumeName): Promise<void>;
  /** undefined: there is no link. */
  status(volume: VolumeName): Promise<LinkStatus | undefined>;
  /** Takes the copy that the arrays have made into our keeping; undefined: it is not there yet. */
  adoptCopy<T>(
    volume: VolumeName,
    copy: { readonly repositoryId: string; readonly volumeId: string },
    keep: (stored: StoredVolume) => T,
  ): Promise<T | undefined>;
  syncNow(volume: VolumeName): Promise<void>;
  /**
   * Waits while the other end's demotion is on its way to it.
   * @throws Fault UNREACHABLE: it did not arrive; IN_USE: both ends were written
   */
  promote(volume: VolumeName, options: { readonly force: boolean }): Promise<LinkStatus>;
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
