/**
 * What the control plane asks of the rest of the service. It decides and records; these do. The
 * service implements them (src/service/), tests implement them in memory.
 */

export type CacheMode = 'server' | 'server-persistent';

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
}

/** The blocks: exports, overlays, live figures. Idempotent unless said otherwise. */
export interface DataPlane {
  machineLive(machineId: string): MachineLive;
  /** Starts a fresh, empty overlay; connections of the boot before keep the old one until they end. */
  renewOverlay(machineId: string): Promise<void>;
  /** The record changed (quota, cache mode, vDisk): applies to connections opened from now on. */
  machineChanged(machineId: string): Promise<void>;
  /** Ends the machine's connections and deletes its overlay. */
  removeMachine(machineId: string): Promise<void>;
  /** Open connections to the vDisk: its own export and every machine that reads from it. */
  vdiskConnections(vdiskId: string): number;
  totals(): DataPlaneTotals;
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
}

/** A sealed layer in the repository: immutable from here on. */
export interface ImportedLayer {
  /** Name of the volume and of everything that belongs to it. */
  readonly layerId: string;
  /** Hex SHA-256 of the manifest: the same content has the same value anywhere. */
  readonly contentId: string;
  /** Size of the virtual disk in bytes. */
  readonly size: number;
  /** Bytes that are neither holes nor zeroes. */
  readonly dataBytes: number;
  readonly format: string;
  readonly bootFiles: BootFileNames;
  /** Why no kernel was found; undefined when there is one. */
  readonly noKernelReason: string | undefined;
}

export interface ImportRequest {
  /** Path on the machine the service runs on. */
  readonly path: string;
  /** `raw`, `qcow2`, `vhd`, `vmdk`, `vhdx`; undefined: looked up from the content. */
  readonly format: string | undefined;
  /** Kernel and initrd given by hand; paths on the machine the service runs on. */
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
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
  removeLayer(layerId: string): Promise<void>;
  space(): Promise<{ readonly totalBytes: number; readonly freeBytes: number }>;
}

/** Time as a parameter, so that a test can own it. Milliseconds since the epoch. */
export interface Clock {
  now(): number;
}
