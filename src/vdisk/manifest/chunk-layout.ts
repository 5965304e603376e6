/**
 * A layer is cut into fixed, aligned chunks. The last one ends where the disk ends. Never change the
 * chunk size: the names of all layers follow from it.
 */
export const CHUNK_BYTES = 64 * 1024;

export function chunkCount(size: number): number {
  return Math.ceil(size / CHUNK_BYTES);
}

/** Bytes of a bitmap with a bit for every chunk. */
export function bitmapBytes(size: number): number {
  return Math.ceil(chunkCount(size) / 8);
}

/** Bit i is bit i mod 8, counted from the least significant, of byte i div 8. */
export function hasChunk(bitmap: Uint8Array, chunk: number): boolean {
  return (((bitmap[chunk >>> 3] ?? 0) >>> (chunk & 7)) & 1) === 1;
}

export function markChunk(bitmap: Uint8Array, chunk: number): void {
  bitmap[chunk >>> 3] = (bitmap[chunk >>> 3] ?? 0) | (1 << (chunk & 7));
}

export function clearChunk(bitmap: Uint8Array, chunk: number): void {
  bitmap[chunk >>> 3] = (bitmap[chunk >>> 3] ?? 0) & ~(1 << (chunk & 7));
}

export function countChunks(bitmap: Uint8Array): number {
  let count = 0;
  for (let byte of bitmap) {
    for (; byte !== 0; byte &= byte - 1) count += 1;
  }
  return count;
}

/** Bytes of a chunk of a disk of `size` bytes: the last one may be short. */
export function chunkLength(size: number, chunk: number): number {
  return Math.min(CHUNK_BYTES, size - chunk * CHUNK_BYTES);
}
