import type { Loan } from './block-device.ts';
import { ZEROES_BYTES } from './limits.ts';

/** Zeroes that everybody may read or send and nobody may write. */
export const ZEROES: Buffer = Buffer.alloc(ZEROES_BYTES);

function nothingToRelease(): void {}

/** Appends `length` bytes of shared zeroes. */
export function appendZeroes(chunks: Buffer[], length: number): void {
  for (let left = length; left > 0; left -= ZEROES_BYTES) {
    chunks.push(left >= ZEROES_BYTES ? ZEROES : ZEROES.subarray(0, left));
  }
}

/** A loan of `length` zeroes. */
export function lendZeroes(length: number): Loan {
  const chunks: Buffer[] = [];
  appendZeroes(chunks, length);
  return { chunks, release: nothingToRelease };
}
