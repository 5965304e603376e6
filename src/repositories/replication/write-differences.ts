import type { BlockDevice } from '../../block/index.ts';
import { isZero } from './content-sum.ts';
import type { Tally } from './copy-figures.ts';
import { REPLICATION_CHUNK_BYTES as CHUNK, REPLICATION_BLOCK_BYTES } from './limits.ts';
import { writeAll, zeroAll } from './whole-io.ts';

export interface Content {
  readonly target: BlockDevice;
  /** A multiple of the chunk size. */
  readonly offset: number;
  /** Ends at a chunk, or with the target. */
  readonly content: Buffer;
}

interface Stretch {
  readonly kind: 'write' | 'zero';
  readonly start: number;
  readonly end: number;
}

/**
 * Writes what is not as it was, block by block, and zeroes chunks that became zero.
 * @param before what the target holds wherever it is equal to the content; undefined: not known
 */
export async function writeDifferences(
  to: Content,
  before: Buffer | undefined,
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  const { target, offset, content } = to;
  let skipped = content.length;
  for (const { kind, start, end } of stretches(content, before, blockOf(target))) {
    skipped -= end - start;
    if (kind === 'zero') {
      await zeroAll(target, offset + start, end - start, signal);
      tally.zeroed += end - start;
    } else {
      await writeAll(target, content.subarray(start, end), offset + start);
      tally.written += end - start;
    }
  }
  tally.skipped += skipped;
}

function blockOf({ geometry }: BlockDevice): number {
  return Math.min(CHUNK, Math.max(REPLICATION_BLOCK_BYTES, geometry.minimumIo));
}

function* stretches(
  content: Buffer,
  before: Buffer | undefined,
  block: number,
): Generator<Stretch> {
  let open: Stretch | undefined;
  for (const next of differences(content, before, block)) {
    if (open !== undefined && open.kind === next.kind && open.end === next.start) {
      open = { ...open, end: next.end };
      continue;
    }
    if (open !== undefined) yield open;
    open = next;
  }
  if (open !== undefined) yield open;
}

function* differences(
  content: Buffer,
  before: Buffer | undefined,
  block: number,
): Generator<Stretch> {
  for (let at = 0; at < content.length; at += CHUNK) {
    const chunkEnd = Math.min(at + CHUNK, content.length);
    if (before !== undefined && content.compare(before, at, chunkEnd, at, chunkEnd) === 0) continue;
    if (isZero(content.subarray(at, chunkEnd))) {
      yield { kind: 'zero', start: at, end: chunkEnd };
      continue;
    }
    for (let start = at; start < chunkEnd; start += block) {
      const end = Math.min(start + block, chunkEnd);
      if (before !== undefined && content.compare(before, start, end, start, end) === 0) continue;
      yield { kind: 'write', start, end };
    }
  }
}
