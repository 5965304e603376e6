/**
 * A raw image is the disk itself. Node has no SEEK_HOLE, so the holes of a sparse file come from
 * outside (`qemu-img map`, when it is installed); without them the whole file is read, and holes are
 * found as the zeroes they read as: slower, the same result.
 */
import { type ByteSource, readField } from './byte-source.ts';
import type { ImageReader, Run } from './image-reader.ts';

/** Where a file holds data: ordered, apart from each other. Everything between is zeroes. */
export interface DataExtent {
  readonly offset: number;
  readonly length: number;
}

export class RawReader implements ImageReader {
  readonly format = 'raw';
  readonly size: number;
  readonly #source: ByteSource;
  readonly #data: readonly DataExtent[];

  constructor(source: ByteSource, data?: readonly DataExtent[]) {
    this.#source = source;
    this.size = source.size;
    this.#data = data ?? [{ offset: 0, length: source.size }];
  }

  async run(offset: number, length: number): Promise<Run> {
    return runInExtents(this.#data, offset, length);
  }

  read(target: Buffer, offset: number): Promise<void> {
    return readField(this.#source, target, offset, 'disk contents');
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}

/** The run at `offset` of something that holds data only in `extents`. */
export function runInExtents(extents: readonly DataExtent[], offset: number, length: number): Run {
  const extent = extents[firstEndingAfter(extents, offset)];
  if (extent === undefined || extent.offset >= offset + length) return { length, kind: 'zero' };
  if (extent.offset > offset) return { length: extent.offset - offset, kind: 'zero' };
  const end = Math.min(extent.offset + extent.length, offset + length);
  return { length: end - offset, kind: 'data' };
}

/** Binary search: the index of the first extent that ends after `offset`. */
function firstEndingAfter(extents: readonly DataExtent[], offset: number): number {
  let low = 0;
  let high = extents.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const extent = extents[middle];
    if (extent !== undefined && extent.offset + extent.length <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
