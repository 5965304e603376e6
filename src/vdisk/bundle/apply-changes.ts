import type { MaybePromise } from '../../base/index.ts';
import { Fault } from '../../errors/index.ts';
import { chunkCount, chunkHashBatches } from '../manifest/index.ts';
import { BatchCursor } from './batch-cursor.ts';
import type { Change } from './change-list.ts';

/** Takes the chunks of a manifest in rising order. */
export interface ManifestTarget {
  add(chunk: number, hash: Buffer): MaybePromise<void>;
  /** The content id, hex. */
  finish(): MaybePromise<string>;
}

/**
 * The manifest of a version from that of its parent and its changes; without a parent, from the empty disk.
 * @param size of the version's disk, in bytes
 * @param what is being read, for a person
 * @returns the content id
 * @throws Fault IMAGE_INVALID when a change changes nothing, or names a chunk beyond the disk
 */
export async function applyChanges(
  parentPath: string | undefined,
  changes: AsyncIterable<readonly Change[]>,
  size: number,
  target: ManifestTarget,
  what: string,
): Promise<string> {
  const end = chunkCount(size);
  const parent = await BatchCursor.open(
    parentPath === undefined ? undefined : chunkHashBatches(parentPath),
  );
  const keep = async (until: number): Promise<void> => {
    for (let item = parent.item; item !== undefined && item.chunk < until; item = parent.item) {
      const wait = target.add(item.chunk, item.hash);
      if (wait !== undefined) await wait;
      const more = parent.next();
      if (more !== undefined) await more;
    }
  };
  try {
    for await (const batch of changes) {
      for (const { chunk, hash } of batch) {
        if (parent.item !== undefined && parent.item.chunk < chunk) await keep(chunk);
        const before = parent.item?.chunk === chunk ? parent.item.hash : undefined;
        if (chunk >= end) throw noChange(what, chunk, 'is beyond the end of the disk');
        if (hash === undefined ? before === undefined : before?.equals(hash) === true) {
          throw noChange(what, chunk, 'is said to change, and is the same in the parent');
        }
        const more = before === undefined ? undefined : parent.next();
        if (more !== undefined) await more;
        const wait = hash === undefined ? undefined : target.add(chunk, hash);
        if (wait !== undefined) await wait;
      }
    }
    await keep(end);
    return await target.finish();
  } finally {
    await parent.close();
  }
}

function noChange(what: string, chunk: number, problem: string): Fault {
  return new Fault('IMAGE_INVALID', `${what}: chunk ${chunk} ${problem}`, {
    field: 'changes',
    value: chunk,
  });
}
