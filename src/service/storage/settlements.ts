/** What an array was asked to change or delete, and of which it is not recorded what came of it (array-changes.ts). */
import type { Catalog, Settlement, StorageHandle } from '../../control/index.ts';
import {
  type OpenVolumes,
  type RepositoryPorts,
  snapshotKey,
  type VolumeTrees,
  volumeKey,
} from '../../volumes/index.ts';
import { type ArrayChanges, isOnArray } from './array-changes.ts';
import { objectOf, readHandle, storedArray } from './handles.ts';

type Unsettled = ReturnType<Catalog['unsettled']['ofRepository']>[number];

interface Parts {
  readonly catalog: Catalog;
  readonly open: OpenVolumes;
  readonly trees: Pick<VolumeTrees, 'has'>;
  readonly changes: ArrayChanges;
  readonly troubled: (what: string, error: unknown) => void;
}

export class Settlements {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Asks the array for all of them. What it does not tell, or what cannot be recorded, is left for the next time, and
   * told.
   */
  async settle(ports: RepositoryPorts, keep: Settlement): Promise<void> {
    const { catalog, open, changes, troubled } = this.#parts;
    for (const one of catalog.unsettled.ofRepository(ports.repositoryId)) {
      const { id, kind } = one;
      // Whoever asks will record it, and may take long.
      if (changes.isAsked(id)) continue;
      const key = kind === 'volume' ? volumeKey(id) : snapshotKey(id);
      try {
        await open.lock([key], () => this.#settleOne(ports, one, keep));
      } catch (error) {
        troubled(`looking at what has become of ${kind} ${id}`, error);
      }
    }
  }

  async #settleOne(ports: RepositoryPorts, one: Unsettled, keep: Settlement): Promise<void> {
    const { id, kind, mayBeGone } = one;
    const handle = this.#handleOf(one);
    if (handle === undefined) return this.#settled(id, () => undefined);
    if (kind === 'volume') return this.#settleVolume(ports, one, handle, keep);
    const isGone = mayBeGone && !(await isOnArray(ports.array, kind, handle));
    this.#settled(id, () => isGone && keep.gone(kind, id));
  }

  #settled(id: string, record: () => void): void {
    const { catalog } = this.#parts;
    catalog.transaction(() => {
      catalog.unsettled.remove(id);
      record();
    });
  }

  /** undefined: it has no record any more, or layers have taken it over, and no array says what is in those. */
  #handleOf({ id, kind }: Unsettled): StorageHandle | undefined {
    const { volumes, snapshots } = this.#parts.catalog;
    const record = kind === 'volume' ? volumes.byId(id) : snapshots.byId(id);
    if (record === undefined || readHandle(record.handle).kind === 'layers') return undefined;
    return kind === 'volume' && this.#parts.trees.has(id) ? undefined : record.handle;
  }

  async #settleVolume(
    { array }: RepositoryPorts,
    { id, kind, mayBeGone }: Unsettled,
    handle: StorageHandle,
    keep: Settlement,
  ): Promise<void> {
    const { catalog, changes } = this.#parts;
    const { ref, tag } = objectOf(handle);
    const found = await array.findVolume({ ref });
    if (found === undefined) return this.#settled(id, () => mayBeGone && keep.gone(kind, id));
    const before = catalog.volumes.byId(id);
    this.#settled(id, () => keep.changed(id, storedArray(tag, found)));
    await changes.exchange(id, before, found);
  }
}
