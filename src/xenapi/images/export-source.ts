/** What is exported: a disk, whole or as what makes it differ from another one. */
import type { ReadableBlockDevice } from '../../block/index.ts';
import type { Pace } from './pace.ts';

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface ImageDisk {
  readonly device: ReadableBlockDevice;
  /** The UUID that names it: identifiers inside of images are made of it. */
  readonly uuid: string;
}

export interface BaseDisk extends ImageDisk {
  /** What may differ, in any order; undefined: nobody knows, and both are compared. */
  readonly differs: AsyncIterable<ByteRange> | undefined;
}

export interface ExportJob {
  readonly disk: ImageDisk;
  readonly base: BaseDisk | undefined;
  readonly pace: Pace;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** An image on its way out. */
export interface ImageStream {
  /** Bytes of all pieces; undefined: known when they are. */
  readonly length: number | undefined;
  /** Of any size, some of them empty, not to be written to. A reader that stops early leaves nothing behind. */
  readonly pieces: AsyncGenerator<Buffer>;
}

/**
 * Fills the target, in as many reads as the device wants; zeroes beyond its end.
 * @param offset a multiple of 64 KiB: where every unit of every device begins
 * @throws BlockError
 */
export async function readDisk(
  device: ReadableBlockDevice,
  target: Buffer,
  offset: number,
): Promise<void> {
  const { size, maximumIo } = device.geometry;
  const inside = Math.max(0, Math.min(target.length, size - offset));
  for (let done = 0; done < inside; done += maximumIo) {
    await device.read(target.subarray(done, Math.min(done + maximumIo, inside)), offset + done);
  }
  target.fill(0, inside);
}
