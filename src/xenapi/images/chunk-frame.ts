/**
 * XenAPI's framing of a raw disk of which only parts are sent (`chunked`). Pure. A frame is its offset on the disk (64
 * bits), its length (32 bits), both little-endian, and so many bytes; one with neither ends the stream.
 */
export const CHUNK_FRAME_HEAD_BYTES = 12;

export interface ChunkFrame {
  /** Not exact beyond 2^53, where no disk reaches. */
  readonly offset: number;
  readonly length: number;
}

/** @param head CHUNK_FRAME_HEAD_BYTES @returns undefined: the end */
export function parseChunkFrame(head: Buffer): ChunkFrame | undefined {
  const offset = head.readUInt32LE(4) * 2 ** 32 + head.readUInt32LE(0);
  const length = head.readUInt32LE(8);
  return offset === 0 && length === 0 ? undefined : { offset, length };
}
