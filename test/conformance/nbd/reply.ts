/** Reply chunks: what must hold of each, and how those of one READ or BLOCK_STATUS fit together. */
import { must, mustEqual, Nonconformance } from './raw.ts';
import {
  CHUNK,
  CMD_FLAG,
  EXTENDED_REPLY_MAGIC,
  REPLY_FLAG_DONE,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from './values.ts';

export type ReplyStyle = 'simple' | 'structured' | 'extended';

export interface Chunk {
  readonly style: ReplyStyle;
  readonly flags: number;
  readonly type: number;
  readonly cookie: bigint;
  /** Only an extended reply has it. */
  readonly offset: bigint | undefined;
  readonly error: number;
  readonly payload: Buffer;
}

export interface Request {
  readonly type: number;
  readonly flags?: number;
  readonly offset?: number | bigint;
  readonly length?: number | bigint;
  readonly payload?: Buffer;
  readonly cookie?: bigint;
}

export interface Reply {
  readonly cookie: bigint;
  /** 0, or the first error of the reply. */
  readonly error: number;
  readonly style: ReplyStyle;
  readonly chunks: readonly Chunk[];
}

/** "Structured reply chunk message", "Extended reply chunk message", "Simple reply message". */
export function replyHeaderLength(
  magic: number,
  negotiated: ReplyStyle,
): { style: ReplyStyle; length: number } {
  switch (magic) {
    case SIMPLE_REPLY_MAGIC:
      must(negotiated !== 'extended', 'a simple reply with extended headers');
      return { style: 'simple', length: 16 };
    case STRUCTURED_REPLY_MAGIC:
      mustEqual(negotiated, 'structured', 'negotiated style under a structured reply');
      return { style: 'structured', length: 20 };
    case EXTENDED_REPLY_MAGIC:
      mustEqual(negotiated, 'extended', 'negotiated style under an extended reply');
      return { style: 'extended', length: 32 };
    default:
      throw new Nonconformance(`0x${magic.toString(16)} is not the magic of a reply`);
  }
}

const KNOWN_ERRORS: readonly number[] = [0, 1, 5, 12, 22, 28, 75, 95, 108];

export function checkChunk(chunk: Chunk, requestOffset: bigint): void {
  must(
    KNOWN_ERRORS.includes(chunk.error),
    `error value ${chunk.error} is not one of the document's`,
  );
  if (chunk.style === 'simple') return;
  if (chunk.style === 'extended') mustEqual(chunk.offset, requestOffset, 'offset of the reply');
  mustEqual(chunk.flags & ~REPLY_FLAG_DONE, 0, 'unknown reply flags');
  const { length } = chunk.payload;
  switch (chunk.type) {
    case CHUNK.NONE:
      mustEqual(length, 0, 'length of NBD_REPLY_TYPE_NONE');
      must((chunk.flags & REPLY_FLAG_DONE) !== 0, 'NBD_REPLY_TYPE_NONE without DONE');
      return;
    case CHUNK.OFFSET_DATA:
      must(length >= 9, `NBD_REPLY_TYPE_OFFSET_DATA of ${length} bytes`);
      return;
    case CHUNK.OFFSET_HOLE:
      mustEqual(length, 12, 'length of NBD_REPLY_TYPE_OFFSET_HOLE');
      must(chunk.payload.readUInt32BE(8) > 0, 'an empty hole');
      return;
    case CHUNK.BLOCK_STATUS:
      mustEqual(chunk.style, 'structured', 'style under NBD_REPLY_TYPE_BLOCK_STATUS');
      must(length >= 12 && (length - 4) % 8 === 0, `a status chunk of ${length} bytes`);
      return;
    case CHUNK.BLOCK_STATUS_EXT:
      mustEqual(chunk.style, 'extended', 'style under NBD_REPLY_TYPE_BLOCK_STATUS_EXT');
      must(length >= 24 && (length - 8) % 16 === 0, `an extended status chunk of ${length} bytes`);
      mustEqual(chunk.payload.readUInt32BE(4), (length - 8) / 16, 'descriptor count');
      return;
    case CHUNK.ERROR:
      checkErrorChunk(chunk, 6);
      return;
    case CHUNK.ERROR_OFFSET:
      checkErrorChunk(chunk, 14);
      return;
    default:
      throw new Nonconformance(`chunk type ${chunk.type}`);
  }
}

function checkErrorChunk({ payload }: Chunk, fixed: number): void {
  must(payload.length >= fixed, `an error chunk of ${payload.length} bytes`);
  must(payload.readUInt32BE(0) !== 0, 'an error chunk with error 0');
  const message = payload.readUInt16BE(4);
  must(message <= payload.length - fixed, 'a message longer than its chunk');
  must(message <= 4096, `a message of ${message} bytes`);
  must(!payload.subarray(6, 6 + message).includes(0), 'NUL in an error message');
}

/** What a successful READ returned; checks bounds, overlap, coverage and DF on the way. */
export function dataOf(request: Request, reply: Reply): Buffer {
  mustEqual(reply.error, 0, 'error of READ');
  const length = Number(request.length);
  const base = Number(request.offset ?? 0);
  if (reply.style === 'simple') return reply.chunks[0]!.payload;
  const result = Buffer.alloc(length, 0xee);
  const seen = new Uint8Array(length);
  let contentChunks = 0;
  for (const chunk of reply.chunks) {
    if (chunk.type !== CHUNK.OFFSET_DATA && chunk.type !== CHUNK.OFFSET_HOLE) continue;
    contentChunks += 1;
    const start = Number(chunk.payload.readBigUInt64BE(0)) - base;
    const hole = chunk.type === CHUNK.OFFSET_HOLE;
    const size = hole ? chunk.payload.readUInt32BE(8) : chunk.payload.length - 8;
    must(start >= 0 && start + size <= length, 'a chunk outside the request');
    must(!seen.subarray(start, start + size).includes(1), 'overlapping chunks');
    seen.fill(1, start, start + size);
    if (hole) result.fill(0, start, start + size);
    else chunk.payload.copy(result, start, 8);
  }
  must(!seen.includes(0), 'the chunks do not cover the request');
  if (((request.flags ?? 0) & CMD_FLAG.DF) !== 0) {
    mustEqual(contentChunks, 1, 'content chunks of a READ with DF');
  }
  return result;
}

export interface StatusExtent {
  readonly length: number;
  readonly status: bigint;
}

/** The extents of every context of a successful BLOCK_STATUS, by context id. */
export function statusOf(request: Request, reply: Reply): Map<number, StatusExtent[]> {
  mustEqual(reply.error, 0, 'error of BLOCK_STATUS');
  const result = new Map<number, StatusExtent[]>();
  for (const chunk of reply.chunks) {
    if (chunk.type === CHUNK.NONE) continue;
    const extended = chunk.type === CHUNK.BLOCK_STATUS_EXT;
    must(
      extended || chunk.type === CHUNK.BLOCK_STATUS,
      `chunk type ${chunk.type} for BLOCK_STATUS`,
    );
    const id = chunk.payload.readUInt32BE(0);
    must(!result.has(id), `two status chunks for context ${id}`);
    const extents: StatusExtent[] = [];
    for (let at = extended ? 8 : 4; at < chunk.payload.length; at += extended ? 16 : 8) {
      const length = extended
        ? Number(chunk.payload.readBigUInt64BE(at))
        : chunk.payload.readUInt32BE(at);
      const status = extended
        ? chunk.payload.readBigUInt64BE(at + 8)
        : BigInt(chunk.payload.readUInt32BE(at + 4));
      must(length > 0, 'an extent of length 0');
      must(status >> 32n === 0n, 'a status of more than 32 bits');
      extents.push({ length, status });
    }
    result.set(id, extents);
    checkExtents(request, extents);
  }
  return result;
}

function checkExtents(request: Request, extents: readonly StatusExtent[]): void {
  const asked = Number(request.length);
  must(extents.length <= 1 << 20, `${extents.length} extents in one chunk`);
  const beforeLast = extents.slice(0, -1).reduce((sum, { length }) => sum + length, 0);
  must(extents.length === 1 || beforeLast < asked, 'an extent that starts after the request');
  if (((request.flags ?? 0) & CMD_FLAG.REQ_ONE) !== 0) {
    mustEqual(extents.length, 1, 'extents of a BLOCK_STATUS with REQ_ONE');
    must(extents[0]!.length <= asked, 'an extent longer than the request with REQ_ONE');
  }
}
