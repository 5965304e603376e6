/** What the catalog holds. Times are milliseconds since the epoch, sizes are bytes. */
import type { BootFileNames, CacheMode } from '../ports.ts';

export const CACHE_MODES = ['server', 'server-persistent'] as const satisfies readonly CacheMode[];

export interface VdiskRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly createdAt: number;
}

/** maintenance and test come with versioning. */
export const VERSION_STATES = ['production'] as const;
export type VersionState = (typeof VERSION_STATES)[number];

export const INITRAMFS_KINDS = [
  'initramfs-tools',
  'dracut',
  'unknown',
] as const satisfies readonly BootFileNames['initramfs'][];

export interface VersionRecord {
  readonly vdiskId: string;
  readonly number: number;
  readonly layerId: string;
  readonly contentId: string;
  readonly size: number;
  readonly dataBytes: number;
  readonly format: string;
  readonly state: VersionState;
  readonly bootFiles: BootFileNames;
  readonly kernelArguments: string;
  readonly createdAt: number;
}

/** How the machine came to be known: by hand, out of the waiting list, or by the policy's template. */
export const MACHINE_ENROLMENTS = ['added', 'approved', 'automatic'] as const;
export type MachineEnrolment = (typeof MACHINE_ENROLMENTS)[number];

export interface MachineRecord {
  readonly id: string;
  readonly name: string;
  /** Lower-case with colons. */
  readonly mac: string;
  readonly vdiskId: string;
  readonly cacheMode: CacheMode;
  readonly quotaBytes: number | undefined;
  readonly kernelArguments: string;
  /** A machine that is not enabled boots from its local disk. */
  readonly enabled: boolean;
  readonly enrolment: MachineEnrolment;
  readonly createdAt: number;
}

export const ENROLMENT_STATES = ['waiting', 'approved', 'refused'] as const;
export type EnrolmentState = (typeof ENROLMENT_STATES)[number];

export interface EnrolmentRecord {
  readonly mac: string;
  /** The firmware's architecture as PXE named it. */
  readonly arch: string;
  readonly state: EnrolmentState;
  readonly firstSeenAt: number;
  readonly lastSeenAt: number;
}

/** What unknown machines become when they need no approval. */
export interface EnrolmentTemplate {
  readonly vdiskId: string;
  readonly namePattern: string;
  readonly cacheMode: CacheMode;
  readonly quotaBytes: number | undefined;
}

/**
 * How a boot was found to be over: the guest said so; its requests went quiet; its connection went
 * away before either; it never read a block; the machine asked for another boot.
 */
export const BOOT_ENDS = ['ready', 'quiet', 'disconnected', 'abandoned', 'superseded'] as const;
export type BootEnd = (typeof BOOT_ENDS)[number];

export const BOOT_STAGES = ['script', 'kernel', 'initrd', 'first-block', 'ready'] as const;
export type BootStage = (typeof BOOT_STAGES)[number];

export interface BootRecord {
  readonly id: number;
  readonly machineId: string;
  readonly vdiskName: string;
  readonly version: number;
  readonly startedAt: number;
  readonly stages: Readonly<Record<BootStage, number | undefined>>;
  readonly endedAt: number | undefined;
  /** From the request to the end; undefined while under way and for a boot that came to nothing. */
  readonly durationMs: number | undefined;
  readonly ended: BootEnd | undefined;
}

export interface LeaseRecord {
  readonly ip: string;
  readonly mac: string;
  readonly expiresAt: number;
  /** The DHCP server's own word; kept, not interpreted. */
  readonly state: string;
}

export interface EventRecord {
  readonly id: number;
  readonly at: number;
  readonly kind: string;
  /** What it is about: `machine/NAME`, `vdisk/NAME`, `enrolment/MAC`, `service`. */
  readonly subject: string;
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export const TASK_STATES = ['running', 'succeeded', 'failed', 'cancelled'] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** A fault as it is kept and shown. */
export interface FaultRecord {
  readonly code: string;
  readonly message: string;
  readonly field: string | undefined;
  readonly value: unknown;
  readonly expected: string | undefined;
}

export interface TaskRecord {
  readonly id: string;
  readonly kind: string;
  readonly subject: string;
  readonly state: TaskState;
  /** 0 … 100 */
  readonly percent: number;
  readonly message: string;
  readonly result: unknown;
  readonly error: FaultRecord | undefined;
  readonly createdAt: number;
  readonly endedAt: number | undefined;
}

/** Deleted from the catalog and still to be deleted from the disk. */
export interface Removal {
  readonly kind: 'layer' | 'machine';
  readonly id: string;
}
