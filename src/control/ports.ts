/**
 * What the control plane asks of the rest of the service. It decides and records; these do. The
 * service implements them (src/service/), tests implement them in memory.
 */

/** On the machine: what the server serves is read only. */
export type DeviceCacheMode = 'device-ram' | 'device-disk' | 'device-ram-overflow';
export type CacheMode = 'server' | 'server-persistent' | DeviceCacheMode;

export interface MachineConnection {
  readonly address: string;
  /** Milliseconds since the epoch. */
  readonly connectedAt: number;
  readonly tls: boolean;
}

/** Live figures of one machine, summed over the data workers. Zero for a machine never seen. */
export interface MachineLive {
  readonly connections: readonly MachineConnection[];
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly readRequests: number;
  readonly writeRequests: number;
  /** Bytes of the machine's overlay that hold data of its own. */
  readonly cacheUsedBytes: number;
  /** A write was refused for want of quota or disk space since the overlay was renewed. */
  readonly cacheFull: boolean;
  /** Milliseconds since the epoch of the last request; undefined when there was none. */
  readonly lastRequestAt: number | undefined;
  /** The layer that its own overlay stands on, as it was called then; undefined: it has none. */
  readonly standsOn: string | undefined;
}

/** The blocks: exports, overlays, live figures. Idempotent unless said otherwise. */
export interface DataPlane {
  machineLive(machineId: string): MachineLive;
  /** Starts a fresh, empty overlay, or ends with none where writes go to the machine; connections of the boot before keep the old one until they end. */
  renewOverlay(machineId: string): Promise<void>;
  /** The record changed (quota, cache mode, vDisk): applies to connections opened from now on. */
  machineChanged(machineId: string): Promise<void>;
  /**
   * Ends all connections to an overlay, whoever has them; settles when the last of their requests has.
   * @throws Fault UNAVAILABLE when one does not end
   */
  endConnections(ownerId: string): Promise<void>;
  /** Ends the connections to an overlay and deletes it: a machine's, or of a version in maintenance. */
  removeOverlay(ownerId: string): Promise<void>;
  /** The overlay of a machine or of a version in maintenance; undefined: it has none. */
  overlay(ownerId: string): OverlayFacts | undefined;
  /** Owners of overlays in a repository that somebody has open, or a task works on. */
  openOverlaysIn(repositoryId: string): ReadonlySet<string>;
  layersInUse(): LayersInUse;
  /** Open connections to the vDisk: its own export and every machine that reads from it. */
  vdiskConnections(vdiskId: string): number;
  totals(): DataPlaneTotals;
}

export interface LayersInUse {
  /** Tops of chains that are being read: by open exports and by tasks. */
  readonly open: ReadonlySet<string>;
  /** What overlays stand on that nobody has open, as it was called then. */
  readonly stoodOn: ReadonlySet<string>;
}

export interface OverlayFacts {
  /** The layer that it stands on, as it was called then. */
  readonly layerId: string;
  /** Bytes of its own; 0 before it was opened for the first time since the start. */
  readonly usedBytes: number;
  readonly isOpen: boolean;
  /** Where it lies; undefined: in the service's own repository. */
  readonly repositoryId?: string | undefined;
}

export interface DataPlaneTotals {
  readonly workers: number;
  readonly connections: number;
  readonly readCacheBytes: number;
  readonly readCacheBytesMax: number;
  readonly readCacheHits: number;
  readonly readCacheMisses: number;
}

export interface ImportProgress {
  /** Bytes of the virtual disk looked at so far. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

export interface BootFileNames {
  /** Names below the layer's boot folder; undefined when the image has none that we can read. */
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
  /** Where the root file system is, for the kernel command line, e.g. `p1`; '' for the whole disk. */
  readonly rootPartition: string;
  readonly rootFilesystem: string | undefined;
  /** Which initramfs the image was built with; decides how root over NBD is spelled. */
  readonly initramfs: 'initramfs-tools' | 'dracut' | 'unknown';
  /** Kernel and initrd were given by hand, and are not looked for in what is made from it. */
  readonly given: boolean;
}

/** A sealed layer in the repository: immutable from here on. */
export interface StoredLayer {
  /** Names everything that belongs to it. */
  readonly layerId: string;
  /** The volume that has its blocks. */
  readonly volumeId: string;
  /** Hex SHA-256 of the manifest: the same content has the same value anywhere. */
  readonly contentId: string;
  /** Size of the virtual disk in bytes. */
  readonly size: number;
  /** Bytes of the disk that are neither holes nor zeroes. */
  readonly dataBytes: number;
  /** Bytes that this layer itself holds. */
  readonly ownBytes: number;
  readonly bootFiles: BootFileNames;
  /** Why no kernel was found; undefined when there is one. */
  readonly noKernelReason: string | undefined;
}

export interface ImportedLayer extends StoredLayer {
  readonly format: string;
}

/** What an overlay changes of the disk it stands on. */
export interface OverlayChanges {
  /** Bytes that it holds, in blocks of 4 KiB. */
  readonly ownedBytes: number;
  /** Bytes that it has set to zero without holding them. */
  readonly zeroedBytes: number;
  /** Chunks of 64 KiB that are touched, and those of the whole disk. */
  readonly changedChunks: number;
  readonly chunks: number;
  readonly partitions: readonly PartitionChanges[];
}

export interface PartitionChanges {
  /** `p1`, as in kernel arguments. */
  readonly name: string;
  /** Bytes. */
  readonly start: number;
  readonly size: number;
  readonly changedBytes: number;
}

export interface SealRequest {
  /** Whose overlay: a machine, or a version in maintenance. Nobody has it open. */
  readonly ownerId: string;
  /** What it stands on. */
  readonly parentId: string;
  /** The parent's: kept where they were given by hand, or where the new disk has none. */
  readonly bootFiles: BootFileNames;
}

export const MERGE_MODES = ['full', 'partial'] as const;
/** full: a base of its own; partial: all differences in one, over the same base. */
export type MergeMode = (typeof MERGE_MODES)[number];

export interface MergeRequest {
  /** The top of the chain. */
  readonly layerId: string;
  readonly mode: MergeMode;
}

/** A chunk that is not what its manifest says. */
export interface DamagedChunk {
  readonly layerId: string;
  readonly chunk: number;
  /** Of the disk, in bytes. */
  readonly offset: number;
  readonly length: number;
  /** Layers of the chain that hold blocks of it. */
  readonly heldBy: readonly string[];
  readonly reason: string;
}

export interface VerifyRequest {
  /** Of one chain, or several; each is read once: what it holds itself. */
  readonly layerIds: readonly string[];
  /** undefined: as fast as it goes. */
  readonly bytesPerSecond: number | undefined;
}

export interface VerifiedLayer {
  readonly layerId: string;
  readonly chunks: number;
  readonly bytes: number;
  readonly damaged: readonly DamagedChunk[];
  /** How many there are; `damaged` may have been cut off. */
  readonly damagedChunks: number;
}

export interface ImportRequest {
  /** Path on the machine the service runs on. */
  readonly path: string;
  /** `raw`, `qcow2`, `vhd`, `vmdk`, `vhdx`; undefined: looked up from the content. */
  readonly format: string | undefined;
  /** Kernel and initrd given by hand; paths on the machine the service runs on. */
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
  /** In which the layer lies; undefined: the service's own. */
  readonly repositoryId: string | undefined;
}

export interface ImageStore {
  /**
   * Reads an image into a new sealed layer. Nothing is left behind when it fails or is cancelled.
   * @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED, BACKING_FILE_MISSING, NO_SPACE,
   *   TOOL_MISSING, CANCELLED
   */
  importImage(
    request: ImportRequest,
    progress: (progress: ImportProgress) => void,
    signal: AbortSignal,
  ): Promise<ImportedLayer>;
  /**
   * Makes a layer of an overlay, without copying its blocks. `keep` is called when everything of the layer
   * is on stable storage; when it has returned, the overlay is no more, and when it throws, there is no layer.
   * @throws Fault IN_USE (somebody has it open), NOT_FOUND (no overlay), NO_SPACE, CANCELLED, UNAVAILABLE
   */
  seal<T>(
    request: SealRequest,
    keep: (layer: StoredLayer) => T,
    progress: (progress: ImportProgress) => void,
    signal: AbortSignal,
  ): Promise<T>;
  /** @throws Fault IN_USE (somebody has it open), NOT_FOUND (no overlay) */
  changes(ownerId: string): Promise<OverlayChanges>;
  /**
   * A layer of the same content with fewer layers below it.
   * @throws Fault IMAGE_INVALID (a layer is damaged), NO_SPACE, CANCELLED
   */
  merge(
    request: MergeRequest,
    progress: (progress: ImportProgress) => void,
    signal: AbortSignal,
  ): Promise<StoredLayer>;
  /**
   * Reads layers and compares them with their manifests. `each` is not told of one that was removed meanwhile.
   * @throws Fault CANCELLED
   */
  verify(
    request: VerifyRequest,
    each: (layer: VerifiedLayer) => void,
    progress: (progress: ImportProgress) => void,
    signal: AbortSignal,
  ): Promise<void>;
  removeLayer(layerId: string, volumeId: string): Promise<void>;
  space(): Promise<{ readonly totalBytes: number; readonly freeBytes: number }>;
}

/** Time as a parameter, so that a test can own it. Milliseconds since the epoch. */
export interface Clock {
  now(): number;
}
