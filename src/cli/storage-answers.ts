/** What the server answers of storage, as far as the CLI shows it (see answers.ts). */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

export interface RepositoryKind {
  readonly kind: string;
  readonly description: string;
  readonly settings: readonly {
    readonly name: string;
    readonly type: 'text' | 'integer' | 'boolean' | 'list';
    readonly required: boolean;
    readonly secret: boolean;
    readonly description: string;
  }[];
}

export interface Probe {
  readonly step: string;
  readonly choose: string | null;
  readonly capabilities: Readonly<Record<string, string>> | null;
  readonly found: readonly {
    readonly value: string;
    readonly description: string;
    readonly settings: Readonly<Record<string, unknown>>;
    readonly size: number | null;
    readonly holds: { readonly repositoryId: string; readonly name: string | null } | null;
  }[];
}

export interface Space {
  readonly total: number;
  readonly free: number;
  readonly usedPercent: number;
  readonly provisioned: number | null;
  readonly measuredAt: string;
}

export interface Repository {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly kind: string;
  readonly state: string;
  readonly reason: string | null;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly secretsSet: readonly string[];
  readonly info: {
    readonly vendor: string;
    readonly product: string;
    readonly version: string;
  } | null;
  readonly capabilities: Readonly<Record<string, string>> | null;
  readonly space: Space | null;
  readonly spaceLevel: string;
  readonly warningPercent: number;
  readonly criticalPercent: number;
  readonly volumes: number;
  readonly snapshots: number;
  readonly overlays: number;
  readonly createdAt: string;
}

export interface Health {
  readonly state: string;
  readonly messages: readonly string[];
  readonly paths: readonly { readonly name: string; readonly up: boolean }[];
  readonly space: Space | null;
}

export interface RepositoryCheck {
  readonly clean: boolean;
  readonly repaired: boolean;
  readonly repositoryId: string | null;
  readonly owner: string | null;
  readonly attached: boolean;
  readonly volumes: number;
  readonly extents: { readonly total: number; readonly mapped: number };
  readonly findings: readonly {
    readonly severity: string;
    readonly code: string;
    readonly message: string;
  }[];
}

export interface Fence {
  readonly who: string;
  readonly hosts: readonly string[];
}

export interface Volume {
  readonly id: string;
  readonly repository: string;
  readonly name: string;
  readonly description: string;
  readonly size: number;
  readonly thin: boolean;
  readonly wwid: string | null;
  readonly role: string;
  readonly parent: string | null;
  readonly snapshots: number;
  readonly groups: readonly string[];
  readonly export: string;
  readonly createdAt: string;
  /** Of one that is shown. */
  readonly connections?: number | null;
  readonly allocated?: number | null;
}

export interface SizedVolume {
  readonly volume: Volume;
  readonly requestedSize: number;
}

export interface ForeignVolume {
  readonly nativeId: string;
  readonly name: string;
  readonly size: number;
  readonly wwid: string | null;
}

export interface Mapping {
  readonly host: string;
  readonly mode: string;
  readonly lun: number | null;
  readonly sessions: readonly string[];
  readonly portals: readonly string[];
  readonly iqn: string | null;
  readonly path: string | null;
}

export interface Snapshot {
  readonly id: string;
  readonly repository: string;
  readonly volume: string | null;
  readonly volumeWas: string;
  readonly name: string;
  readonly description: string;
  readonly parent: string | null;
  readonly groupId: string | null;
  readonly size: number;
  readonly emulated: boolean;
  readonly consistency: string;
  readonly schedule: string | null;
  readonly held: boolean;
  readonly clones: readonly string[];
  readonly export: string | null;
  readonly createdAt: string;
}

export interface SnapshotsTaken {
  readonly snapshots: readonly Snapshot[];
  readonly hooks: readonly HookResult[];
}

export interface HookResult {
  readonly hook: string;
  readonly moment: string;
  readonly succeeded: boolean;
  readonly how: string;
}

export interface Difference {
  readonly size: number;
  readonly ranges: readonly {
    readonly offset: number;
    readonly length: number;
    readonly kind: string;
  }[];
  readonly next: number | null;
}

export interface Host {
  readonly name: string;
  readonly description: string;
  readonly iqns: readonly string[];
  readonly addresses: readonly string[];
}

export interface VolumeGroup {
  readonly name: string;
  readonly description: string;
  readonly volumes: readonly string[];
}

export interface Schedule {
  readonly name: string;
  readonly description: string;
  readonly group: string | null;
  readonly volumes: readonly string[];
  readonly every: string | null;
  readonly at: string | null;
  readonly keep: Readonly<Record<string, number>>;
  readonly prefix: string;
  readonly enabled: boolean;
  readonly running: boolean;
  readonly nextAt: string | null;
  readonly lastAt: string | null;
}

export interface ScheduleRun {
  readonly taken: readonly string[];
  readonly deleted: readonly string[];
  readonly kept: readonly { readonly snapshot: string; readonly reason: string }[];
}

export interface Hook {
  readonly name: string;
  readonly repository: string | null;
  readonly volume: string | null;
  readonly group: string | null;
  readonly moment: string;
  readonly argv: readonly string[] | null;
  readonly url: string | null;
  readonly tokenSet: boolean;
  readonly timeout: string;
  readonly policy: string;
  readonly quiesces: boolean;
  readonly enabled: boolean;
}
