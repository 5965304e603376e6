/** What the catalog holds. Times are milliseconds since the epoch, sizes are bytes. */
import type { BootFileNames, CacheMode, DeviceCacheMode } from '../ports.ts';

export const DEVICE_CACHE_MODES = [
  'device-ram',
  'device-disk',
  'device-ram-overflow',
] as const satisfies readonly DeviceCacheMode[];
export const CACHE_MODES = [
  'server',
  'server-persistent',
  ...DEVICE_CACHE_MODES,
] as const satisfies readonly CacheMode[];

export function isDeviceCache(mode: CacheMode): mode is DeviceCacheMode {
  return mode !== 'server' && mode !== 'server-persistent';
}

/** What becomes of a boot whose write cache the machine cannot have. */
export const ON_CACHE_IMPOSSIBLE = ['fallback', 'refuse'] as const;
export type OnCacheImpossible = (typeof ON_CACHE_IMPOSSIBLE)[number];

/** kept: made once for each machine, and kept on the server; image: those in the image, if it has any. */
export const SSH_HOST_KEYS = ['kept', 'each-boot', 'image'] as const;
export type SshHostKeys = (typeof SSH_HOST_KEYS)[number];

/** What a vDisk says of the boots of its machines. */
export interface BootPolicy {
  readonly onCacheImpossible: OnCacheImpossible;
  readonly sshHostKeys: SshHostKeys;
}

/** The mode that a machine really got: one of those, or the fallback. */
export const GOT_CACHES = ['server', ...DEVICE_CACHE_MODES] as const;
export type GotCache = (typeof GOT_CACHES)[number];

/**
 * In the order in which they follow each other in one boot: waiting for the machine to say; it refused to
 * boot; good; over the first and the second watermark; full: writes fail; failed: so do reads.
 */
export const DEVICE_CACHE_STATES = [
  'waiting',
  'refused',
  'good',
  'filling',
  'nearly-full',
  'full',
  'failed',
] as const;
export type DeviceCacheState = (typeof DEVICE_CACHE_STATES)[number];

/** Of a machine whose last boot was one with a write cache of its own. */
export interface MachineCacheRecord {
  readonly machineId: string;
  /** What the machine reads, as it was called then. */
  readonly layerId: string;
  readonly asked: DeviceCacheMode;
  readonly onImpossible: OnCacheImpossible;
  /** undefined: it has not said yet. `server`: it fell back, and has an overlay. */
  readonly got: GotCache | undefined;
  readonly state: DeviceCacheState;
  /** In the machine's words: why it is another mode, or none; '' otherwise. */
  readonly reason: string;
  /** Bytes; 0 before it has said. */
  readonly sizeBytes: number;
  readonly usedBytes: number;
  readonly reportedAt: number | undefined;
}

export interface VdiskRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** The version that production machines boot, whatever was released since; undefined: the newest. */
  readonly pinnedVersion: number | undefined;
  /** In which its layers lie; undefined: the service's own. Never changes. */
  readonly repositoryId: string | undefined;
  /** In which write caches are made from now on; undefined: the service's own. Those that exist stay where they are. */
  readonly overlayRepositoryId: string | undefined;
  readonly createdAt: number;
}

/** How the content of a version is stored (docs/adr/0014). Sealed: nothing of it ever changes but the checks. */
export interface LayerRecord {
  readonly id: string;
  /** What it is a difference to; undefined: a base, which holds all of it. */
  readonly parentId: string | undefined;
  /** The volume with its blocks; of another repository than the service's own: REPOSITORY/ID. */
  readonly volumeId: string;
  /** Hex SHA-256 of the manifest of the disk as it is seen from this layer. */
  readonly contentId: string;
  /** Of the disk. */
  readonly size: number;
  /** Of the disk: bytes that are neither holes nor zeroes. */
  readonly dataBytes: number;
  /** Bytes that this layer itself holds. */
  readonly ownBytes: number;
  /** When it was last read and compared with its manifest. */
  readonly verifiedAt: number | undefined;
  /** What that found. */
  readonly damagedChunks: number;
  readonly createdAt: number;
}

export const VERSION_STATES = ['maintenance', 'test', 'production', 'deleting'] as const;
export type VersionState = (typeof VERSION_STATES)[number];

export const INITRAMFS_KINDS = [
  'initramfs-tools',
  'dracut',
  'unknown',
] as const satisfies readonly BootFileNames['initramfs'][];

interface VersionFacts {
  /** Owns the overlay of a version in maintenance. */
  readonly id: string;
  readonly vdiskId: string;
  readonly number: number;
  /** The version it was made from; undefined: imported, or that one is gone. */
  readonly parentNumber: number | undefined;
  readonly description: string;
  /** What it came from: an image format, `maintenance`, `capture`, `bundle`. */
  readonly format: string;
  readonly bootFiles: BootFileNames;
  readonly kernelArguments: string;
  readonly createdAt: number;
}

/** A version whose content is settled. */
export interface SealedVersion extends VersionFacts {
  readonly state: Exclude<VersionState, 'maintenance'>;
  readonly layerId: string;
  readonly contentId: string;
  /** Of the disk. */
  readonly size: number;
  /** Of the disk: bytes that are neither holes nor zeroes. */
  readonly dataBytes: number;
  /** Production machines boot it from then on; undefined: since it went to production. */
  readonly releaseAt: number | undefined;
  readonly sealedAt: number;
}

/** A version that is being written: an overlay of its own over a sealed layer. */
export interface OpenVersion extends VersionFacts {
  readonly state: 'maintenance';
  readonly baseLayerId: string;
  /** The vDisk boots nothing else meanwhile, and it goes straight to production. */
  readonly isPrivate: boolean;
  /** Of the disk. */
  readonly size: number;
}

export type VersionRecord = SealedVersion | OpenVersion;

export function isSealed(version: VersionRecord): version is SealedVersion {
  return version.state !== 'maintenance';
}

/** Which versions a machine gets to boot. */
export const MACHINE_CLASSES = ['production', 'test', 'maintenance'] as const;
export type MachineClass = (typeof MACHINE_CLASSES)[number];

/** What becomes of a persistent write cache when there is a newer version to boot. */
export const ON_NEW_VERSION = ['keep', 'discard'] as const;
export type OnNewVersion = (typeof ON_NEW_VERSION)[number];

/** What a UEFI machine's firmware is given first (adr 0021); `auto`: what the service's configuration says. */
export const BOOT_LOADERS = ['auto', 'ipxe', 'grub'] as const;
export type BootLoader = (typeof BOOT_LOADERS)[number];

/** How the machine came to be known: by hand, out of the waiting list, or by the policy's template. */
export const MACHINE_ENROLMENTS = ['added', 'approved', 'automatic'] as const;
export type MachineEnrolment = (typeof MACHINE_ENROLMENTS)[number];

/** What a collection says for its machines, and a machine for itself; undefined: inherited. */
export interface MachineSettings {
  readonly vdiskId: string | undefined;
  readonly class: MachineClass | undefined;
  readonly cacheMode: CacheMode | undefined;
  /** Bytes; null: no quota. */
  readonly quotaBytes: number | null | undefined;
  readonly onNewVersion: OnNewVersion | undefined;
  readonly enabled: boolean | undefined;
  readonly bootLoader: BootLoader | undefined;
}

export interface CollectionRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly settings: MachineSettings;
  /** After the version's and before the machine's. */
  readonly kernelArguments: string;
  readonly createdAt: number;
}

/** A machine as it is to be treated: what it does not set comes from its collection, or is the default. */
export interface MachineRecord {
  readonly id: string;
  readonly name: string;
  /** Lower-case with colons. */
  readonly mac: string;
  readonly collectionId: string | undefined;
  /** What it sets itself. */
  readonly own: MachineSettings;
  /** The version that it boots whatever its class; undefined: its class decides. */
  readonly pinnedVersion: number | undefined;
  /** Its disk is the overlay of this version in maintenance (an id), until its next boot. */
  readonly maintains: string | undefined;
  readonly kernelArguments: string;
  readonly enrolment: MachineEnrolment;
  readonly createdAt: number;

  readonly vdiskId: string;
  readonly class: MachineClass;
  readonly cacheMode: CacheMode;
  readonly quotaBytes: number | undefined;
  readonly onNewVersion: OnNewVersion;
  /** A machine that is not enabled boots from its local disk. */
  readonly enabled: boolean;
  readonly bootLoader: BootLoader;
}

/** What is written of a machine; the rest follows. */
export type MachineRow = Omit<
  MachineRecord,
  'vdiskId' | 'class' | 'cacheMode' | 'quotaBytes' | 'onNewVersion' | 'enabled' | 'bootLoader'
>;

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
  readonly namePattern: string;
  readonly collectionId: string | undefined;
  /** They name a vDisk, or the collection does. */
  readonly settings: MachineSettings;
}

/**
 * How a boot was found to be over: the guest said so; its requests went quiet; its connection went
 * away before either; it never read a block; the machine asked for another boot.
 */
export const BOOT_ENDS = ['ready', 'quiet', 'disconnected', 'abandoned', 'superseded'] as const;
export type BootEnd = (typeof BOOT_ENDS)[number];

/** In the order in which they come; few boots have all of them. */
export const BOOT_STAGES = [
  'dhcp',
  'loader',
  'queued',
  'admitted',
  'script',
  'kernel',
  'initrd',
  'first-block',
  'root-mounted',
  'ready',
] as const;
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

/** Who a rule of booting is about. */
export type BootRuleOwner = 'machine' | 'collection' | 'vdisk';

export interface BootRule {
  /** Machines that boot at once; a machine's own rule has none. */
  readonly most: number | undefined;
  /** A higher one goes first; a vDisk's rule has none. */
  readonly priority: number | undefined;
}

export interface BootRuleRecord extends BootRule {
  readonly owner: BootRuleOwner;
  readonly id: string;
}

/** What one boot read first (values/trace-units.ts). */
export interface TraceRecord {
  readonly contentId: string;
  readonly recordedAt: number;
  /** Its name then; '' where it is not known. */
  readonly machine: string;
  readonly unitBytes: number;
  readonly units: Uint8Array;
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
  /** Who did it: `service` for what happened by itself (actor.ts). */
  readonly actor: string;
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
  /** Who started it. */
  readonly actor: string;
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
export type Removal =
  /** A sealed layer and the volume that has its blocks. */
  | { readonly kind: 'layer'; readonly id: string; readonly volumeId: string }
  /** The overlay of a machine, or of a version in maintenance. */
  | { readonly kind: 'machine'; readonly id: string };

/** Who may write something that only one may write at a time. */
export interface LockRecord {
  /** `version/ID`: the overlay of a version in maintenance. */
  readonly name: string;
  /** Grows with every holder: what was let in with a smaller one is out. */
  readonly token: number;
  /** A machine's id; undefined: nobody. */
  readonly holder: string | undefined;
  /** From then on somebody else may take it, until its holder renews it. */
  readonly expiresAt: number;
}
