/** What may differ, in whole chunks: in order, each chunk once. */
import { isPromise } from '../../base/index.ts';
import type { Extent, ReadableBlockDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { REPLICATION_CHUNK_BYTES as CHUNK, REPLICATION_EXTENTS } from './limits.ts';

export interface Change {
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
  /** hole: reads as zeroes in the point. */
  readonly kind: 'data' | 'hole';
}

/** In order, without overlaps, from this offset on; a change that begins before it may come too. */
export type ChangeSource = (from: number) => AsyncIterable<Change>;

/** Begins at a chunk, and ends at one or at the end. */
export type ChunkRun = Change;

/**
 * A chunk that is a hole only in part is data: it is looked at.
 * @param from a multiple of the chunk size
 * @param size changes beyond it are left out
 * @throws BlockError EINVAL when the changes are not in order
 */
export async function* chunkRuns(
  changes: AsyncIterable<Change>,
  from: number,
  size: number,
): AsyncGenerator<ChunkRun> {
  let run: ChunkRun | undefined;
  let next = from;
  let reached = 0;
  for await (const change of changes) {
    if (change.offset < reached || change.length < 0) throw outOfOrder(change);
    reached = change.offset + change.length;
    for (const piece of wholeChunks(change, size)) {
      const start = Math.max(piece.offset, next);
      const end = piece.offset + piece.length;
      if (start >= end) continue;
      next = end;
      if (run !== undefined && run.kind === piece.kind && run.offset + run.length === start) {
        run = { ...run, length: end - run.offset };
        continue;
      }
      if (run !== undefined) yield run;
      run = { offset: start, length: end - start, kind: piece.kind };
    }
  }
  if (run !== undefined) yield run;
}

function wholeChunks({ offset, length, kind }: Change, size: number): readonly ChunkRun[] {
  const end = Math.min(offset + length, size);
  if (offset >= end) return [];
  const outerStart = offset - (offset % CHUNK);
  const outerEnd = Math.min(Math.ceil(end / CHUNK) * CHUNK, size);
  if (kind === 'data') return [{ offset: outerStart, length: outerEnd - outerStart, kind }];
  const innerStart = Math.min(Math.ceil(offset / CHUNK) * CHUNK, size);
  const innerEnd = end === size ? size : end - (end % CHUNK);
  if (innerEnd <= innerStart) {
    return [{ offset: outerStart, length: outerEnd - outerStart, kind: 'data' }];
  }
  return [
    { offset: outerStart, length: innerStart - outerStart, kind: 'data' },
    { offset: innerStart, length: innerEnd - innerStart, kind: 'hole' },
    { offset: innerEnd, length: outerEnd - innerEnd, kind: 'data' },
  ];
}

function outOfOrder({ offset, length }: Change): BlockError {
  return new BlockError('EINVAL', 'extents', offset, length, 'changes are not in order');
}

/** Everything that a device holds: what is no data reads as zeroes. */
export function wholeOf(device: ReadableBlockDevice): ChangeSource {
  return async function* (from) {
    const end = device.geometry.size;
    for await (const { offset, length, kind } of extentsOf(device, from, end)) {
      yield { offset, length, kind: kind === 'data' ? 'data' : 'hole' };
    }
  };
}

/** All extents of a range, which may go beyond the device's end: there is nothing there. */
export async function* extentsOf(
  device: ReadableBlockDevice,
  from: number,
  end: number,
): AsyncGenerator<Extent> {
  const stop = Math.min(end, device.geometry.size);
  for (let at = from; at < stop; ) {
    const asked = device.extents(at, stop - at, REPLICATION_EXTENTS);
    const found = isPromise(asked) ? await asked : asked;
    const last = found.at(-1);
    if (last === undefined || last.offset + last.length <= at) {
      throw new BlockError('EIO', 'extents', at, stop - at, 'no extents');
    }
    yield* found;
    at = last.offset + last.length;
  }
}
