/** The shared image: random bytes, so that no server gains by compressing or finding zeroes. */
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';

const CHUNK_BYTES = 4 * 2 ** 20;

export function writeRandomImage(path: string, bytes: number): void {
  const file = openSync(path, 'wx');
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let offset = 0; offset < bytes; ) {
      randomFillSync(chunk);
      offset += writeSync(file, chunk, 0, Math.min(chunk.length, bytes - offset), offset);
    }
  } finally {
    closeSync(file);
  }
}
