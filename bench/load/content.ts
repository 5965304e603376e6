/**
 * What every block of a benchmark holds, so that each byte that comes back can be checked without a
 * file to compare with: a block of 4 KiB is 16 bytes that say who wrote it, which of its writes, and
 * where, followed by a slice of one random table whose place follows from the same three. A block of
 * another machine, of an older write or of another place is never mistaken for the right one, and
 * checking one costs a memcmp.
 */

export const BLOCK = 4096;
/** The author of the shared image; machine k is author k + 1. */
export const IMAGE_AUTHOR = 0;

const HEADER = 16;
const MAGIC = 0x0b10cca5;
const TABLE_BYTES = 2 ** 20;
const SLICE_ALIGNMENT = 8;
const TABLE_SEED = 0x9e3779b9;

/** Always the same bytes: the image may have been written by another process, or yesterday. */
function makeTable(): Buffer {
  const table = Buffer.allocUnsafeSlow(TABLE_BYTES + BLOCK);
  let state = TABLE_SEED;
  for (let at = 0; at < table.length; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    table.writeInt32LE(state, at);
  }
  return table;
}

const TABLE = makeTable();

function sliceOf(author: number, generation: number, block: number): number {
  let hash = Math.imul(block + 1, 0x9e3779b1) ^ Math.imul(author + 1, 0x85ebca6b);
  hash ^= Math.imul(generation + 1, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash ^= hash >>> 13;
  return (hash & (TABLE_BYTES / SLICE_ALIGNMENT - 1)) * SLICE_ALIGNMENT;
}

/** Writes one whole block at `at` of `target`. */
export function fillBlock(
  target: Buffer,
  at: number,
  author: number,
  generation: number,
  block: number,
): void {
  const slice = sliceOf(author, generation, block);
  TABLE.copy(target, at + HEADER, slice, slice + BLOCK - HEADER);
  target.writeUInt32LE(MAGIC, at);
  target.writeUInt32LE(author, at + 4);
  target.writeUInt32LE(generation, at + 8);
  target.writeUInt32LE(block, at + 12);
}

/** Whether the whole block at `at` of `source` is this one. */
export function isBlock(
  source: Buffer,
  at: number,
  author: number,
  generation: number,
  block: number,
): boolean {
  const slice = sliceOf(author, generation, block);
  return (
    source.readUInt32LE(at) === MAGIC &&
    source.readUInt32LE(at + 4) === author &&
    source.readUInt32LE(at + 8) === generation &&
    source.readUInt32LE(at + 12) === block &&
    source.compare(TABLE, slice, slice + BLOCK - HEADER, at + HEADER, at + BLOCK) === 0
  );
}

/** In words, whose block this looks like. */
export function describeBlock(found: Buffer): string {
  if (found.length >= HEADER && found.readUInt32LE(0) === MAGIC) {
    const author = found.readUInt32LE(4);
    const who = author === IMAGE_AUTHOR ? 'the image' : `machine ${author - 1}`;
    const block = found.readUInt32LE(12);
    const whole =
      found.length < BLOCK || isBlock(found, 0, author, found.readUInt32LE(8), block)
        ? ''
        : ', with other bytes behind its header';
    return `block ${block} of ${who}, write ${found.readUInt32LE(8)}${whole}`;
  }
  if (found.every((byte) => byte === 0)) return 'zeroes';
  return `bytes that begin with ${found.subarray(0, HEADER).toString('hex')}`;
}
