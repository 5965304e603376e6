import type { ChangedBlocks } from '../../control/index.ts';

/** Clients read the bitmap as words of so many bytes, one for 2 MiB of the disk, and fail on a part of one. */
const WORD_BYTES = 4;

/**
 * One bit for each 64 KiB of the disk, the highest of a byte first, in base64. Behind the last block follow zeroes up
 * to a whole word.
 */
export function encodeBitmap({ bits }: Pick<ChangedBlocks, 'bits'>): string {
  const text = Buffer.alloc(Math.ceil(bits.length / WORD_BYTES) * WORD_BYTES);
  for (const [at, byte] of bits.entries()) text[at] = REVERSED[byte] ?? 0;
  return text.toString('base64');
}

const REVERSED = Uint8Array.from({ length: 256 }, (_, byte) => {
  let reversed = 0;
  for (let bit = 0; bit < 8; bit++) reversed |= ((byte >>> bit) & 1) << (7 - bit);
  return reversed;
});
