/** What the catalog holds of storage. Times are milliseconds since the epoch, sizes are bytes. */
import type { ArrayInfo, CapabilitySet, SettingValue } from '../../../repositories/index.ts';
import type { StorageHandle } from '../../storage-port.ts';

export const REPOSITORY_STATES = ['attached', 'detached', 'unreachable'] as const;
export type RepositoryState = (typeof REPOSITORY_STATES)[number];

export const SPACE_LEVELS = ['normal', 'warning', 'critical'] as const;
export type SpaceLevel = (typeof SPACE_LEVELS)[number];

export interface RepositoryRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly kind: string;
  /** Without secrets. */
  readonly settings: Readonly<Record<string, SettingValue>>;
  /** `unreachable`: it is to be attached, and cannot be, or does not answer any more. */
  readonly state: RepositoryState;
  /** Why it is unreachable, for people. */
  readonly reason: string | undefined;
  /** As of its last attach; undefined: it never was. */
  readonly info: ArrayInfo | undefined;
  readonly capabilities: CapabilitySet | undefined;
  /** Percent of its space in use from which on it is told. */
  readonly warningPercent: number;
  readonly criticalPercent: number;
  /** What was told last. */
  readonly spaceLevel: SpaceLevel;
  readonly createdAt: number;
}

export const VOLUME_ROLES = ['volume', 'replica'] as const;
export type VolumeRole = (typeof VOLUME_ROLES)[number];

export interface VolumeRecord {
  readonly id: string;
  readonly repositoryId: string;
  readonly name: string;
  readonly description: string;
  readonly size: number;
  readonly thin: boolean;
  readonly wwid: string | undefined;
  readonly handle: StorageHandle;
  readonly role: VolumeRole;
  /** What a linked clone stands on: a snapshot, or a volume as it was then. */
  readonly parentSnapshotId: string | undefined;
  readonly parentVolumeId: string | undefined;
  /** The parent of its next snapshot. */
  readonly headSnapshotId: string | undefined;
  readonly createdAt: number;
}

export const CONSISTENCIES = ['crash', 'application'] as const;
export type Consistency = (typeof CONSISTENCIES)[number];

export interface SnapshotRecord {
  readonly id: string;
  readonly repositoryId: string;
  /** undefined: its volume is deleted, and it lives on. */
  readonly volumeId: string | undefined;
  readonly volumeName: string;
  readonly name: string;
  readonly description: string;
  readonly parentId: string | undefined;
  /** The same for all that are of one moment; undefined: it was taken alone. */
  readonly groupId: string | undefined;
  readonly size: number;
  readonly handle: StorageHandle;
  readonly emulated: boolean;
  readonly consistency: Consistency;
  readonly scheduleId: string | undefined;
  /** No schedule deletes it. */
  readonly held: boolean;
  readonly createdAt: number;
}

export interface HostRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly iqns: readonly string[];
  readonly addresses: readonly string[];
  readonly createdAt: number;
}

export interface GroupRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly createdAt: number;
}

/** When a schedule is due. */
export type Rhythm =
  /** Milliseconds, counted from when the schedule was made or changed. */
  | { readonly every: number }
  /** Minute, hour, day of the month, month, day of the week, in UTC, as cron has them. */
  | { readonly at: string };

/** How many of a schedule's snapshots stay; what is not given counts nothing. Nothing given: all stay. */
export interface Keep {
  readonly last?: number;
  readonly hourly?: number;
  readonly daily?: number;
  readonly weekly?: number;
  readonly monthly?: number;
}

export interface ScheduleRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** undefined: volumes, each for itself. */
  readonly groupId: string | undefined;
  readonly rhythm: Rhythm;
  readonly keep: Keep;
  readonly prefix: string;
  readonly enabled: boolean;
  readonly nextAt: number;
  readonly lastAt: number | undefined;
  /** A run has begun, and its end is not known. */
  readonly isRunning: boolean;
  readonly createdAt: number;
}

export const HOOK_MOMENTS = [
  'before-snapshot',
  'after-snapshot',
  'before-replication',
  'after-replication',
  'before-failover',
  'after-failover',
] as const;
export type HookMoment = (typeof HOOK_MOMENTS)[number];

export const HOOK_POLICIES = ['abort', 'continue'] as const;
export type HookPolicy = (typeof HOOK_POLICIES)[number];

export type HookOwner =
  | { readonly kind: 'repository'; readonly id: string }
  | { readonly kind: 'volume'; readonly id: string }
  | { readonly kind: 'group'; readonly id: string };

/** What a hook does. */
export type HookAction =
  | { readonly kind: 'exec'; readonly argv: readonly string[] }
  | { readonly kind: 'webhook'; readonly url: string };

export interface HookRecord {
  readonly id: string;
  readonly name: string;
  readonly owner: HookOwner;
  readonly moment: HookMoment;
  readonly action: HookAction;
  readonly timeoutMs: number;
  readonly policy: HookPolicy;
  /** What it does makes a snapshot consistent for its applications. */
  readonly quiesces: boolean;
  readonly enabled: boolean;
  readonly createdAt: number;
}
