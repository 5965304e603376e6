/**
 * What the control thread and the replication thread say to each other: jobs, pages of what changed, cursors;
 * never a block. What it opens and is held for is said as to a data worker (workers/messages.ts).
 */
import type { FaultCode } from '../../errors/index.ts';
import type { VolumePlan } from '../../exports/index.ts';
import type {
  Change,
  CopiedPoint,
  CopyCursor,
  CopyFigures,
  ReadContent,
  Verification,
} from '../../repositories/index.ts';
import type { FromWorker, ToWorker } from '../workers/messages.ts';

export interface ReplicationStart {
  /** Its slot in the statistics of overlays. */
  readonly worker: number;
  readonly readCacheBytes: number;
  readonly logLevel: string;
}

/** Every plan is given back with `released`, once. */
export interface CopyJob {
  readonly kind: 'copy';
  readonly job: number;
  readonly replicationId: string;
  readonly source: VolumePlan;
  readonly base: VolumePlan | undefined;
  /** Of the base. */
  readonly sum: string | undefined;
  readonly target: VolumePlan;
  readonly compare: boolean;
  readonly verification: Verification;
  readonly cursor: CopyCursor | undefined;
}

export interface ReadJob {
  readonly kind: 'read';
  readonly job: number;
  readonly replicationId: string;
  readonly source: VolumePlan;
  /** Bytes of the point. */
  readonly size: number;
}

/** To a question of a job. */
export type Reply =
  /** `end`: there are no more. */
  | { readonly kind: 'changes'; readonly changes: readonly Change[]; readonly end: boolean }
  | { readonly kind: 'recorded' }
  | { readonly kind: 'refused'; readonly code: FaultCode; readonly message: string };

export type ToReplication =
  | CopyJob
  | ReadJob
  | {
      readonly kind: 'reply';
      readonly job: number;
      readonly question: number;
      readonly reply: Reply;
    }
  | { readonly kind: 'cancel'; readonly job: number }
  | {
      readonly kind: 'throttle';
      readonly replicationId: string;
      readonly bytesPerSecond: number | undefined;
    }
  | Extract<ToWorker, { kind: 'connect' | 'disconnect' | 'answer' | 'hold' | 'resume' }>;

export type Question =
  /** What may differ, from this offset on. */
  | { readonly kind: 'changes'; readonly from: number }
  | { readonly kind: 'record'; readonly cursor: CopyCursor };

export type FromReplication =
  | {
      readonly kind: 'question';
      readonly job: number;
      readonly question: number;
      readonly asked: Question;
    }
  | {
      readonly kind: 'progress';
      readonly job: number;
      readonly fraction: number;
      readonly figures: CopyFigures;
    }
  | { readonly kind: 'copied'; readonly job: number; readonly point: CopiedPoint }
  | { readonly kind: 'content'; readonly job: number; readonly content: ReadContent }
  | {
      readonly kind: 'failed';
      readonly job: number;
      readonly code: FaultCode;
      readonly message: string;
    }
  | Extract<FromWorker, { kind: 'ask' | 'held' | 'resumed' | 'parted' | 'released' }>;
