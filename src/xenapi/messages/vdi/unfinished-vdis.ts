/** What a service that died was filling, taken back by the next one (disks/unfinished.ts). */
import { markFinished, unfinished } from '../../disks/unfinished.ts';
import type { Xen } from '../../xen.ts';
import { unmake } from './make.ts';

export class UnfinishedVdis {
  readonly #xen: Xen;
  /** Of the time before this start: what is made from now on is not looked at. */
  readonly #ids: Set<string>;
  #running = false;

  constructor(xen: Xen) {
    this.#xen = xen;
    this.#ids = new Set(unfinished(xen));
  }

  /** Those whose repository can be reached are deleted, each tried once. To be called about once a second. */
  observe(): void {
    if (this.#running || this.#ids.size === 0) return;
    this.#running = true;
    void this.#collect().finally(() => {
      this.#running = false;
    });
  }

  async #collect(): Promise<void> {
    const { catalog, storage } = this.#xen.control;
    for (const id of this.#ids) {
      const volume = catalog.volumes.byId(id);
      if (volume !== undefined && !storage.isAttached(volume.repositoryId)) continue;
      this.#ids.delete(id);
      if (volume !== undefined) await unmake(this.#xen, id);
      if (catalog.volumes.byId(id) === undefined) markFinished(this.#xen, id);
    }
  }
}
