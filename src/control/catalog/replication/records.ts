/** What the catalog holds of replications. Times are milliseconds since the epoch, sizes are bytes. */
import type {
  CopyCursor,
  CopyFigures,
  ReplicationState,
  Verification,
} from '../../../repositories/index.ts';

export const REPLICATION_MODES = ['engine', 'array'] as const;
/** engine: we copy; array: the arrays do it between themselves. */
export type ReplicationMode = (typeof REPLICATION_MODES)[number];

export const SIDES = ['left', 'right'] as const;
/** left: where it came from when the replication was made. */
export type Side = (typeof SIDES)[number];

export function otherSide(side: Side): Side {
  return side === 'left' ? 'right' : 'left';
}

export const VERIFICATIONS = ['whole', 'sampled'] as const satisfies readonly Verification[];

export const FAILOVERS = ['none', 'planned', 'forced'] as const;
export type FailoverKind = (typeof FAILOVERS)[number];

export interface ReplicationRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly mode: ReplicationMode;
  readonly repositories: Readonly<Record<Side, string>>;
  /** The side that is written; the other one is the replica. */
  readonly sourceSide: Side;
  /** undefined: a point is sent only when somebody asks. */
  readonly intervalMs: number | undefined;
  readonly rpoMs: number | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly compare: boolean;
  readonly verification: Verification;
  /** Complete points that stay on either side, at least. */
  readonly keepSource: number;
  readonly keepTarget: number;
  readonly state: ReplicationState;
  /** Why it is in that state, for people. */
  readonly reason: string | undefined;
  readonly paused: boolean;
  /** Since when nothing is sent until it is reversed or resynchronised. */
  readonly failover: FailoverKind;
  /** After a forced failover: the old source holds what was never sent. */
  readonly diverged: boolean | undefined;
  /** The point that the replica's heads hold; undefined: something else. */
  readonly headPointId: string | undefined;
  readonly isRunning: boolean;
  readonly nextAt: number | undefined;
  /** In a row. */
  readonly failures: number;
  readonly rpoMissed: boolean;
  readonly syncedAt: number | undefined;
  /** The number of the newest point. */
  readonly lastPoint: number;
  readonly createdAt: number;
}

export interface ReplicationMember {
  readonly position: number;
  readonly left: string;
  /** undefined: still to be made. */
  readonly right: string | undefined;
  readonly rightName: string;
}

export const POINT_STATES = ['sending', 'complete', 'discarded'] as const;
export type PointState = (typeof POINT_STATES)[number];

export interface PointMember {
  readonly position: number;
  readonly snapshots: Readonly<Record<Side, string | undefined>>;
  readonly size: number;
  /** undefined: it is not there as a whole. */
  readonly contentId: string | undefined;
  readonly sum: string | undefined;
  readonly cursor: CopyCursor | undefined;
  readonly figures: CopyFigures | undefined;
}

export interface PointRecord {
  readonly id: string;
  readonly replicationId: string;
  readonly number: number;
  readonly state: PointState;
  /** Where it was taken. */
  readonly sourceSide: Side;
  readonly basePointId: string | undefined;
  readonly headsReady: boolean;
  readonly damaged: boolean;
  readonly takenAt: number;
  readonly completedAt: number | undefined;
  readonly members: readonly PointMember[];
}
