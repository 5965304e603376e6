/**
 * What an array makes of what is there already: a volume becomes larger, is as it once was, gets its blocks for itself;
 * a volume or a snapshot is deleted. That the array is asked for it is written down first, and taken back together
 * with the record of what came of it. What a crash or a lost answer leaves open the array is asked for
 * afterwards: nobody else knows.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Catalog, StorageHandle, StoredVolume, VolumeName } from '../../control/index.ts';
import { isAnswerLost } from '../../errors/index.ts';
import type { ArrayControl, ArrayVolume } from '../../repositories/index.ts';
import { type OpenVolumes, type RepositoryPorts, volumeKey } from '../../volumes/index.ts';
import { objectOf, storedArray } from './handles.ts';

export interface VolumeChange {
  readonly ask: () => Promise<ArrayVolume>;
  /** Whether that is what was asked for, where a look at the volume shows it. */
  readonly isDone?: (found: ArrayVolume) => boolean;
}

/** What is deleted. */
export interface ArrayObject {
  readonly kind: 'volume' | 'snapshot';
  readonly id: string;
  readonly handle: StorageHandle;
}

interface Parts {
  readonly catalog: Catalog;
  readonly open: OpenVolumes;
}

export class ArrayChanges {
  readonly #parts: Parts;
  /** What an array is being asked about. */
  readonly #asked = new Set<string>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Of an object that an array is being asked about nobody else finds out what came of it. */
  isAsked(id: string): boolean {
    return this.#asked.has(id);
  }

  /**
   * Under the lock of the volume.
   * @throws ArrayError, and what `keep` throws: what has become of it is found out later (Settlements)
   */
  change<T>(
    { repositoryId, array }: RepositoryPorts,
    { volumeId: id, handle }: VolumeName,
    { ask, isDone }: VolumeChange,
    keep: (volume: StoredVolume) => T,
  ): Promise<T> {
    const { catalog } = this.#parts;
    const { ref, tag } = objectOf(handle);
    return this.#noting({ id, repositoryId, kind: 'volume', mayBeGone: false }, async () => {
      const now = await ask().catch(async (error: unknown) => {
        const found = await lookAfter(error, () => array.findVolume({ ref }));
        if (found === undefined || isDone?.(found) !== true) throw error;
        return found;
      });
      const before = catalog.volumes.byId(id);
      const result = catalog.transaction(() => {
        catalog.unsettled.remove(id);
        return keep(storedArray(tag, now));
      });
      await this.exchange(id, before, now);
      return result;
    });
  }

  /** Under its lock. @throws ArrayError, and what `keep` throws: whether it is gone is found out later */
  delete(
    { repositoryId, array }: RepositoryPorts,
    { kind, id, handle }: ArrayObject,
    ask: () => Promise<void>,
    keep: () => void,
  ): Promise<void> {
    const { catalog } = this.#parts;
    return this.#noting({ id, repositoryId, kind, mayBeGone: true }, async () => {
      await ask().catch(async (error: unknown) => {
        const isThere = await lookAfter(error, () => isOnArray(array, kind, handle));
        if (isThere !== false) throw error;
      });
      catalog.transaction(() => {
        catalog.unsettled.remove(id);
        keep();
      });
    });
  }

  async #noting<T>(
    object: Parameters<Catalog['unsettled']['add']>[0],
    work: () => Promise<T>,
  ): Promise<T> {
    this.#parts.catalog.unsettled.add(object);
    this.#asked.add(object.id);
    try {
      return await work();
    } finally {
      this.#asked.delete(object.id);
    }
  }

  /** Whoever connects to a volume from now on sees what it is now; who is connected has what it had. */
  async exchange(
    volumeId: string,
    before: Pick<StoredVolume, 'size' | 'handle'> | undefined,
    { size, locator }: ArrayVolume,
  ): Promise<void> {
    const isSame =
      before?.size === size && isDeepStrictEqual(objectOf(before.handle).locator, locator);
    if (isSame) return;
    const content = { kind: 'plain', locator } as const;
    await this.#parts.open.exchange(
      [volumeKey(volumeId)],
      { flush: false },
      async () => {},
      () => content,
    );
  }
}

/** An array that knows no snapshots says nothing of one that it once had. */
export async function isOnArray(
  array: ArrayControl,
  kind: ArrayObject['kind'],
  handle: StorageHandle,
): Promise<boolean> {
  const { ref } = objectOf(handle);
  if (kind === 'volume') return (await array.findVolume({ ref })) !== undefined;
  return (
    array.snapshots === undefined || (await array.snapshots.findSnapshot({ ref })) !== undefined
  );
}

/** Where the answer was lost. @returns undefined where it was not, or where the look fails as well */
async function lookAfter<T>(error: unknown, look: () => Promise<T>): Promise<T | undefined> {
  return isAnswerLost(error) ? look().catch(() => undefined) : undefined;
}
