import {
  type ChunkHash,
  chunkCount,
  chunkHashBatches,
  readManifestHeader,
} from '../manifest/index.ts';
import { BatchCursor } from './batch-cursor.ts';
import type { Change } from './change-list.ts';

/** Changes given out at once. */
const BATCH = 4096;

/**
 * What a manifest changes in another one, in rising order; without a parent, in that of the empty disk.
 * The inverse of `applyChanges`.
 * @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED
 */
export async function* manifestChanges(
  parentPath: string | undefined,
  path: string,
): AsyncGenerator<readonly Change[]> {
  const { size } = await readManifestHeader(path);
  const own = await BatchCursor.open(chunkHashBatches(path));
  try {
    const parent = await BatchCursor.open(
      parentPath === undefined ? undefined : chunkHashBatches(parentPath),
    );
    try {
      yield* differences(parent, own, chunkCount(size));
    } finally {
      await parent.close();
    }
  } finally {
    await own.close();
  }
}

async function* differences(
  parent: BatchCursor<ChunkHash>,
  own: BatchCursor<ChunkHash>,
  end: number,
): AsyncGenerator<readonly Change[]> {
  let batch: Change[] = [];
  for (;;) {
    const mine = own.item;
    const theirs = parent.item;
    if (mine === undefined && (theirs === undefined || theirs.chunk >= end)) break;
    const chunk = Math.min(mine?.chunk ?? end, theirs?.chunk ?? end);
    const hash = mine?.chunk === chunk ? mine.hash : undefined;
    const before = theirs?.chunk === chunk ? theirs.hash : undefined;
    if (hash === undefined || before?.equals(hash) !== true) batch.push({ chunk, hash });
    const ownWait = hash === undefined ? undefined : own.next();
    if (ownWait !== undefined) await ownWait;
    const parentWait = before === undefined ? undefined : parent.next();
    if (parentWait !== undefined) await parentWait;
    if (batch.length >= BATCH) {
      yield batch;
      batch = [];
    }
  }
  yield batch;
}
