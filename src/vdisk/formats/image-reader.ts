/**
 * What every image format is read through. An image is a sequence of runs that hold data or read as
 * zeroes; the import asks for the runs and reads only the first kind.
 *
 * This is not a BlockDevice: it lives for one import, is read by one caller in order, and its
 * errors name a file, a field and a value, where the data path has only an errno.
 */

/** `vhd` is what QEMU calls `vpc`. The last three are read through qemu-img. */
export const IMAGE_FORMATS = ['raw', 'qcow2', 'vhd', 'vmdk', 'vhdx', 'vdi'] as const;

export type ImageFormat = (typeof IMAGE_FORMATS)[number];

export interface Run {
  /** Bytes from the offset that was asked for; at least 1, at most what was asked for. */
  readonly length: number;
  /** `zero`: reads as zeroes. `data`: may hold anything, zeroes too. */
  readonly kind: 'data' | 'zero';
}

export interface ImageReader {
  readonly format: ImageFormat;
  /** Virtual size in bytes as the image says it; any number, not only whole sectors. */
  readonly size: number;

  /** The run at `offset`; may end before the data or zeroes do. */
  run(offset: number, length: number): Promise<Run>;

  /**
   * Fills `target` from the virtual disk. The caller stays inside `size`.
   * @throws Fault IMAGE_INVALID, IMAGE_UNSUPPORTED, BACKING_FILE_MISSING
   */
  read(target: Buffer, offset: number): Promise<void>;

  /** Closes every file of the chain. Idempotent. */
  close(): Promise<void>;
}
