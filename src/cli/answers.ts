/**
 * What the server answers, as far as the CLI shows it. The CLI talks HTTP only and shares no code
 * with the server; /v1/openapi.json is the contract, and the CLI's tests run against the real API.
 */
export interface Items<T> {
  readonly items: readonly T[];
}

export interface Version {
  readonly number: number;
  readonly state: string;
  readonly released: boolean;
  readonly releaseAt: string | null;
  readonly private: boolean;
  readonly description: string;
  readonly parent: number | null;
  readonly contentId: string | null;
  readonly size: number;
  readonly dataBytes: number;
  readonly ownBytes: number;
  readonly depth: number;
  readonly format: string;
  readonly kernel: string | null;
  readonly initrd: string | null;
  readonly rootPartition: string;
  readonly rootFilesystem: string | null;
  readonly initramfs: string;
  readonly kernelArguments: string;
  readonly createdAt: string;
  readonly sealedAt: string | null;
  readonly verifiedAt: string | null;
  readonly damagedChunks: number;
  readonly inUse: boolean;
  readonly writer: string | null;
  readonly actions: Readonly<Record<string, { possible: boolean; reason: string | null }>>;
}

/** What a verification found. */
export interface Verification {
  readonly layers: number;
  readonly chunks: number;
  readonly bytes: number;
  readonly damagedChunks: number;
  readonly damaged: readonly { readonly reason: string }[];
}

/** What was copied to a repository. */
export interface Replicated {
  readonly layers: number;
  readonly bytes: number;
}

export interface VdiskReplica {
  readonly repository: string;
  readonly state: string;
  readonly repositoryState: string;
  readonly layers: number;
  readonly layersMissing: number;
  readonly bytesMissing: number;
  readonly serves: boolean;
}

export interface Changes {
  readonly machine: string;
  readonly vdisk: string;
  readonly version: number | null;
  readonly ownedBytes: number;
  readonly zeroedBytes: number;
  readonly changedChunks: number;
  readonly chunks: number;
  readonly percent: number;
  readonly partitions: readonly {
    readonly name: string;
    readonly size: number;
    readonly changedBytes: number;
  }[];
}

export interface Vdisk {
  readonly name: string;
  readonly description: string;
  readonly production: number | null;
  readonly pinnedVersion: number | null;
  readonly repository: string | null;
  readonly overlayRepository: string | null;
  readonly overlaysElsewhere: number;
  readonly onCacheImpossible: string;
  readonly sshHostKeys: string;
  readonly size: number;
  readonly dataBytes: number;
  readonly bootable: boolean;
  readonly machines: number;
  readonly connections: number;
  readonly export: string;
  readonly createdAt: string;
  readonly versions: readonly Version[];
}

/** A file that an export has written. */
export interface WrittenFile {
  readonly path: string;
  readonly length: number;
}

export interface Bundle {
  readonly name: string;
  readonly description: string;
  readonly versions: readonly {
    readonly number: number;
    readonly state: string;
    readonly contentId: string;
    readonly size: number;
    readonly parent: number | null;
    readonly sent: boolean;
    readonly here: boolean;
    readonly description: string | null;
    readonly createdAt: string | null;
  }[];
}

export interface ReceivedBundle {
  readonly vdisk: Vdisk;
  readonly added: readonly number[];
  readonly present: readonly number[];
  readonly chunksReceived: number;
  readonly chunksLocal: number;
  readonly bytesReceived: number;
}

export interface Boot {
  readonly startedAt: string;
  readonly vdisk: string;
  readonly version: number;
  readonly durationMs: number | null;
  readonly ended: string | null;
  readonly timeline: readonly { readonly stage: string; readonly afterMs: number }[];
}

export interface Machine {
  readonly name: string;
  readonly mac: string;
  readonly state: string;
  readonly vdisk: string;
  readonly version: number | null;
  readonly collection: string | null;
  readonly class: string;
  readonly pinnedVersion: number | null;
  readonly next: {
    readonly version: number | null;
    readonly because: string | null;
    readonly reason: string | null;
  };
  readonly holds: number | null;
  readonly maintains: number | null;
  readonly settings: Settings;
  readonly server: string | null;
  readonly enabled: boolean;
  readonly enrolment: string;
  readonly kernelArguments: string;
  readonly export: string;
  readonly cacheMode: string;
  readonly cache: {
    readonly usedBytes: number;
    readonly quotaBytes: number | null;
    readonly percent: number | null;
    readonly full: boolean;
  };
  readonly deviceCache: DeviceCache | null;
  readonly sshHostKeys: readonly string[];
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly lastRequestAt: string | null;
  readonly connections: readonly {
    readonly address: string;
    readonly connectedAt: string;
    readonly tls: boolean;
  }[];
  readonly lastBoot: Boot | null;
}

export interface DeviceCache {
  readonly asked: string;
  readonly got: string | null;
  readonly state: string;
  readonly reason: string;
  readonly sizeBytes: number;
  readonly usedBytes: number;
  readonly percent: number | null;
  readonly reportedAt: string | null;
}

interface Setting<T> {
  readonly value: T;
  /** machine, template, collection, default */
  readonly from: string;
}

export interface Settings {
  readonly vdisk: Setting<string | null>;
  readonly class: Setting<string>;
  readonly cacheMode: Setting<string>;
  readonly quota: Setting<number | null>;
  readonly onNewVersion: Setting<string>;
  readonly enabled: Setting<boolean>;
  readonly bootLoader: Setting<string>;
}

export interface Collection {
  readonly name: string;
  readonly description: string;
  readonly machines: number;
  readonly settings: Settings;
  readonly kernelArguments: string;
  readonly createdAt: string;
}

export interface Personality {
  readonly values: Readonly<Record<string, string>>;
  readonly inherited: Readonly<Record<string, string>>;
  readonly bytes: number;
  readonly bytesMax: number;
}

export interface Task {
  readonly id: string;
  readonly kind: string;
  readonly subject: string;
  readonly actor: string;
  readonly state: 'running' | 'succeeded' | 'failed' | 'cancelled';
  readonly percent: number;
  readonly message: string;
  readonly result: unknown;
  readonly error: Refusal | null;
  readonly createdAt: string;
  readonly endedAt: string | null;
}

/** The parts of a problem (RFC 9457) or of a task's error that people need. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly field?: string;
  readonly value?: unknown;
  readonly expected?: string;
}

export interface Enrolment {
  readonly mac: string;
  readonly arch: string;
  readonly state: string;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
}

export interface EnrolmentPolicy {
  readonly mode: string;
  readonly template: {
    readonly vdisk: string;
    readonly namePattern: string;
    readonly collection: string | null;
    readonly settings: Settings;
    readonly cacheMode: string;
    readonly quotaBytes: number | null;
  } | null;
}

export interface EventEntry {
  readonly at: string;
  readonly actor: string;
  readonly kind: string;
  readonly subject: string;
  readonly message: string;
}

export interface Lease {
  readonly ip: string;
  readonly mac: string;
  readonly machine: string | null;
  readonly state: string;
  readonly expiresAt: string;
}

export interface Status {
  readonly server: string;
  readonly version: string;
  readonly startedAt: string;
  readonly uptimeMs: number;
  readonly vdisks: number;
  readonly machines: {
    readonly total: number;
    readonly off: number;
    readonly booting: number;
    readonly running: number;
  };
  readonly enrolmentsWaiting: number;
  readonly tasksRunning: number;
  readonly workers: number;
  readonly connections: number;
  readonly readCache: {
    readonly bytes: number;
    readonly bytesMax: number;
    readonly hits: number;
    readonly misses: number;
  };
  readonly space: { readonly totalBytes: number; readonly freeBytes: number };
}

export interface ReplicationPoint {
  readonly number: number;
  readonly state: string;
  readonly damaged: boolean;
  readonly takenAt: string;
  readonly completedAt: string | null;
  readonly onSource: boolean;
  readonly onTarget: boolean;
  readonly volumes: readonly {
    readonly contentId: string | null;
    readonly figures: {
      readonly read: number;
      readonly written: number;
      readonly zeroed: number;
    } | null;
  }[];
}

export interface Replication {
  readonly name: string;
  readonly description: string;
  readonly mode: string;
  readonly state: string;
  readonly reason: string | null;
  readonly source: string;
  readonly target: string;
  readonly reversed: boolean;
  readonly volumes: readonly { readonly source: string; readonly target: string }[];
  readonly interval: string | null;
  readonly rpo: string | null;
  readonly rpoMissed: boolean;
  readonly ageSeconds: number | null;
  readonly throttle: number | null;
  readonly verification: string;
  readonly keepSource: number;
  readonly keepTarget: number;
  readonly nextAt: string | null;
  readonly lastCommon: number | null;
  readonly points: readonly ReplicationPoint[];
  readonly tests: readonly string[];
}

/** What reading a point has found. */
export interface ReplicaProof {
  readonly point: number;
  readonly volumes: readonly {
    readonly volume: string;
    readonly repository: string;
    readonly same: boolean;
    readonly contentId: string;
    readonly read: number;
  }[];
}

export interface XenUser {
  readonly name: string;
  readonly role: string;
  readonly enabled: boolean;
  readonly builtIn: boolean;
  readonly lastLoginAt: string | null;
}
