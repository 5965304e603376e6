/** Chunks by number: the same number is the same chunk, and 0 is a hole. Some pack well, some not at all. */
import { createHash } from 'node:crypto';
import { CHUNK_BYTES } from '../../../../src/vdisk/manifest/index.ts';
import { seededRandom } from '../../../support/seed.ts';

const made = new Map<number, Buffer>();

function whole(colour: number): Buffer {
  let bytes = made.get(colour);
  if (bytes === undefined) {
    bytes = Buffer.alloc(CHUNK_BYTES);
    if (colour !== 0) bytes.fill(`colour ${colour} `);
    if (colour % 3 === 1) {
      const random = seededRandom(colour);
      for (let at = 0; at < CHUNK_BYTES; at += 4) bytes.writeUInt32LE(random() * 2 ** 32, at);
    }
    made.set(colour, bytes);
  }
  return bytes;
}

/** A copy, or the beginning of it. */
export function coloured(colour: number, length = CHUNK_BYTES): Buffer {
  return Buffer.from(whole(colour).subarray(0, length));
}

const hashes = new WeakMap<Buffer, Buffer>();

/** @param bytes that do not change any more */
export function sha(bytes: Buffer): Buffer {
  let hash = hashes.get(bytes);
  if (hash === undefined) {
    hash = createHash('sha256').update(bytes).digest();
    hashes.set(bytes, hash);
  }
  return hash;
}
