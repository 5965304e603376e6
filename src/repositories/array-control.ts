/**
 * THE CONTROL PORT. Reference: docs/adr/0015.
 *
 * - Every mutating call carries an `opId` (one for each wish, the same when it is tried again) and, where it makes
 *   something, a `tag`: our object's id, written on the array's object. Look by tag, compare, act, verify by
 *   reading again, return: a retry finds what the lost answer would have said. Nothing is ever made twice.
 * - Deleting what is gone succeeds. Nothing is ever deleted recursively: dependents are named instead.
 * - An answer that was lost is UNKNOWN_OUTCOME, never a guess.
 * - What an array has not, it has no facet for (`snapshots` …), and its flags say `no`.
 * - Every method fails with an ArrayError and nothing else.
 */
import type { Extent } from '../block/index.ts';
import type { CapabilitySet } from './capabilities.ts';
import type { RepositorySpace, VolumeLocator } from './ports.ts';

/** Names an object of the array for good: by the array's own id, never by its name alone. */
export interface ArrayRef {
  readonly kind: 'volume' | 'snapshot' | 'mapping' | 'link';
  readonly nativeId: string;
  readonly name: string;
  /** Changes when something else has the same name and id. */
  readonly generation?: string;
}

export interface ArrayLimits {
  readonly volumes?: number;
  readonly snapshotsPerVolume?: number;
  readonly cloneDepth?: number;
  /** Bytes. Sizes are rounded up to a multiple of it, and what came of it is reported. */
  readonly sizeGranularity: number;
  readonly sizeMinimum: number;
  readonly sizeMaximum: number;
  readonly nameLength: number;
}

export interface ArrayInfo {
  readonly vendor: string;
  readonly product: string;
  readonly version: string;
  readonly serial: string;
  readonly capabilities: CapabilitySet;
  readonly limits: ArrayLimits;
}

export interface ArrayVolume {
  readonly ref: ArrayRef;
  /** Ours; undefined: not made or adopted by us. */
  readonly tag: string | undefined;
  /** Bytes. */
  readonly size: number;
  /** Bytes that it occupies; undefined: the array does not say. */
  readonly allocated: number | undefined;
  readonly thin: boolean;
  /** NAA, EUI or UUID: checked at every open, so that another disk is never taken for it. */
  readonly wwid: string | undefined;
  /** What it was cloned from and still shares blocks with. */
  readonly parent: ArrayRef | undefined;
  readonly locator: VolumeLocator;
}

export interface ArraySnapshot {
  readonly ref: ArrayRef;
  readonly tag: string | undefined;
  readonly volume: ArrayRef;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly size: number;
  /** Bytes that only it holds; undefined: the array does not say. */
  readonly unique: number | undefined;
  /** Read-only. */
  readonly locator: VolumeLocator;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Where to go on; undefined: that was all. */
  readonly cursor: string | undefined;
}

export type HealthState = 'good' | 'degraded' | 'failed' | 'unknown';

export interface ArrayHealth {
  readonly state: HealthState;
  /** Sentences for people, worst first: paths that are down, pools that are full … */
  readonly messages: readonly string[];
  readonly paths: readonly { readonly name: string; readonly up: boolean }[];
}

/** Of a long call. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** @param fraction 0 … 1 */
  readonly progress?: (fraction: number) => void;
}

export interface Mutation {
  readonly opId: string;
}

export interface CreateVolume extends Mutation {
  readonly tag: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly thin: boolean;
}

export interface ArrayControl {
  /** What is in it of sizes may grow with the storage. */
  readonly info: ArrayInfo;
  /**
   * Where one device carries it, whose size may change: bytes of it that are used. Whoever finds another
   * value asks for `space` and `info` again.
   */
  readonly deviceSize?: number;
  /** Asks at once how large that device is, and uses what it has grown by. @throws UNREACHABLE, FENCED … */
  refresh?(): Promise<void>;
  /** undefined: the array cannot tell, but takes data all the same. */
  space(): Promise<(RepositorySpace & { readonly provisioned?: number }) | undefined>;
  health(): Promise<ArrayHealth>;

  /** The tag is there with the same size and thinness: that one. @throws ALREADY_EXISTS_DIFFERENT, NO_SPACE, LIMIT_REACHED */
  createVolume(request: CreateVolume, options?: CallOptions): Promise<ArrayVolume>;
  /** @throws IN_USE (mapped or open), HAS_DEPENDENTS (with `refs`) */
  deleteVolume(
    request: Mutation & { readonly ref: ArrayRef },
    options?: CallOptions,
  ): Promise<void>;
  /** Grows it; at least that large already: nothing happens, unless it must shrink. @throws SHRINK_REFUSED, NO_SPACE, IN_USE (resizeOffline only) */
  resizeVolume(
    request: Mutation & { readonly ref: ArrayRef; readonly size: number },
    options?: CallOptions,
  ): Promise<ArrayVolume>;
  /** undefined: there is none. */
  findVolume(
    by: { readonly ref: ArrayRef } | { readonly tag: string },
  ): Promise<ArrayVolume | undefined>;
  /** @throws CURSOR_EXPIRED */
  listVolumes(query: {
    readonly ownedOnly: boolean;
    readonly cursor?: string;
  }): Promise<Page<ArrayVolume>>;
  /** Writes our tag on what is there; the same tag: fine. @throws ALREADY_MANAGED, NOT_FOUND, UNSUPPORTED */
  adoptVolume(
    request: Mutation & { readonly ref: ArrayRef; readonly tag: string },
  ): Promise<ArrayVolume>;
  /** Takes our tag off; the volume stays. */
  releaseVolume(request: Mutation & { readonly ref: ArrayRef }): Promise<void>;

  /** What the data ports of this repository ask (AskControl). @throws BlockError */
  answer?(question: unknown): Promise<unknown>;

  readonly snapshots: SnapshotControl | undefined;
  readonly clones: CloneControl | undefined;
  readonly masking: MaskingControl | undefined;
  readonly replication: ReplicationControl | undefined;

  close(): Promise<void>;
}

export interface SnapshotControl {
  /**
   * One for each volume, of one moment when the array has groupSnapshot; else only one volume may be given.
   * @throws LIMIT_REACHED, NO_SPACE, UNSUPPORTED (several)
   */
  createSnapshots(
    request: Mutation & {
      readonly of: readonly {
        readonly volume: ArrayRef;
        readonly tag: string;
        readonly name: string;
      }[];
    },
    options?: CallOptions,
  ): Promise<readonly ArraySnapshot[]>;
  /** @throws HAS_DEPENDENTS (with `refs`), LOCKED */
  deleteSnapshot(
    request: Mutation & { readonly ref: ArrayRef },
    options?: CallOptions,
  ): Promise<void>;
  findSnapshot(
    by: { readonly ref: ArrayRef } | { readonly tag: string },
  ): Promise<ArraySnapshot | undefined>;
  listSnapshots(query: {
    readonly volume?: ArrayRef;
    readonly cursor?: string;
  }): Promise<Page<ArraySnapshot>>;
  /** The volume is as it was then. @throws IN_USE (attached), NEWER_SNAPSHOTS (without revertKeepsNewer, with `refs`) */
  revert?(
    request: Mutation & { readonly volume: ArrayRef; readonly snapshot: ArrayRef },
    options?: CallOptions,
  ): Promise<ArrayVolume>;
  /**
   * What may differ, in order; kind `data`, or `hole` for what reads as zeroes in `to`.
   * @param range.from undefined: everything that `to` holds
   * @param range.to a snapshot, or, where `diffsVolumes`, a volume as it is now
   * @throws CBT_UNAVAILABLE: treat it as everything
   */
  diff?(range: {
    readonly from: ArrayRef | undefined;
    readonly to: ArrayRef;
    readonly offset: number;
    readonly length: number;
    readonly limit: number;
  }): Promise<readonly Extent[]>;
  /**
   * `diff` also tells what differs in a volume that is written to: whatever was flushed before the call is told by it.
   * Absent: up to snapshots only.
   */
  readonly diffsVolumes?: true;
}

export interface CloneControl {
  /** @throws DEPTH_LIMIT, LIMIT_REACHED, NOT_FOUND, NO_SPACE */
  clone(
    request: Mutation & {
      readonly tag: string;
      readonly name: string;
      readonly source: ArrayRef;
      /** linked: shares blocks with the source and depends on it. */
      readonly kind: 'linked' | 'full';
      /** Bytes; undefined: as the source. */
      readonly size?: number;
    },
    options?: CallOptions,
  ): Promise<ArrayVolume>;
  /** It depends on nothing any more; already so: fine. */
  split?(
    request: Mutation & { readonly ref: ArrayRef },
    options?: CallOptions,
  ): Promise<ArrayVolume>;
}

export interface HostIdentity {
  readonly name: string;
  readonly iqns: readonly string[];
  readonly addresses: readonly string[];
}

export interface ArrayMapping {
  readonly ref: ArrayRef;
  readonly volume: ArrayRef;
  readonly host: string;
  readonly mode: 'rw' | 'ro';
  readonly lun: number | undefined;
  /** Sessions that are open now. */
  readonly sessions: readonly string[];
  /** How that host reaches it. */
  readonly target: {
    readonly portals: readonly string[];
    readonly iqn?: string;
    readonly path?: string;
  };
}

export interface MaskingControl {
  /** Same host and mode: the one that is there. @throws ALREADY_EXISTS_DIFFERENT, LUN_EXHAUSTED, INITIATOR_CONFLICT */
  map(
    request: Mutation & {
      readonly volume: ArrayRef;
      readonly host: HostIdentity;
      readonly mode: 'rw' | 'ro';
      readonly chap?: {
        readonly user: string;
        readonly password: string;
        readonly mutual?: { readonly user: string; readonly password: string };
      };
    },
    options?: CallOptions,
  ): Promise<ArrayMapping>;
  /** @param request.host undefined: all of them. @throws IN_USE (a live session, without `force`) */
  unmap(
    request: Mutation & {
      readonly volume: ArrayRef;
      readonly host?: string;
      readonly force?: boolean;
    },
    options?: CallOptions,
  ): Promise<void>;
  listMappings(query: { readonly volume?: ArrayRef }): Promise<readonly ArrayMapping[]>;
  /** Cuts a host off at once, whatever it has open. Again: fine. */
  fence?(request: Mutation & { readonly host: HostIdentity }): Promise<void>;
  unfence?(request: Mutation & { readonly host: HostIdentity }): Promise<void>;
  /** Initiator names and addresses that are cut off now, sorted. There where `fence` is. */
  fenced?(): Promise<readonly string[]>;
}

export const REPLICATION_STATES = [
  'initializing',
  'in-sync',
  'syncing',
  'idle-consistent',
  'paused',
  'failed-over',
  'promoting',
  'demoted',
  'reprotecting',
  'split-brain',
  'broken',
  'error',
  'unknown',
] as const;
export type ReplicationState = (typeof REPLICATION_STATES)[number];

/** One volume and its copy in another array of the same kind, kept by the arrays themselves. */
export interface ArrayLink {
  readonly ref: ArrayRef;
  readonly volume: ArrayRef;
  readonly role: 'primary' | 'secondary';
  readonly state: ReplicationState;
  /** The array's own words. */
  readonly description: string;
  /** Milliseconds since the epoch of the newest point that is complete on the other side. */
  readonly lastSyncAt: number | undefined;
}

/** The array's own replication, as seen from one of its two ends; the other end is another repository. */
export interface ReplicationControl {
  /** Names the array pair: links can only go to a repository whose `peers` has our `site`. */
  readonly site: string;
  /** Those that it sends to. */
  peers(): Promise<readonly string[]>;
  enable(request: Mutation & { readonly volume: ArrayRef }): Promise<ArrayLink>;
  disable(request: Mutation & { readonly volume: ArrayRef }): Promise<void>;
  status(volume: ArrayRef): Promise<ArrayLink | undefined>;
  /**
   * A consistent point is sent; settles when the array has taken the order.
   * @returns what `lastSyncAt` will be when it is complete on the other side; undefined: the array does not say
   */
  syncNow(request: Mutation & { readonly volume: ArrayRef }): Promise<number | undefined>;
  /** Becomes the writable side. @throws DEMOTION_NOT_PROPAGATED (again later), SPLIT_BRAIN */
  promote(
    request: Mutation & { readonly volume: ArrayRef; readonly force: boolean },
  ): Promise<ArrayLink>;
  demote(request: Mutation & { readonly volume: ArrayRef }): Promise<ArrayLink>;
  /** What this side has is thrown away for what the other has. */
  resync(request: Mutation & { readonly volume: ArrayRef }): Promise<ArrayLink>;
}
