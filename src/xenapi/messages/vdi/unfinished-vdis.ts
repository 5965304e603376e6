/** What a service that died was filling, taken back by the next one (disks/unfinished.ts). */
import { Fault } from '../../../errors/index.ts';
import { runOperation, UNSTOPPED } from '../../disks/run-operation.ts';
import { markFinished, unfinished } from '../../disks/unfinished.ts';
import type { Xen } from '../../xen.ts';
import { startUnmaking } from './make.ts';

export class UnfinishedVdis {
  readonly #xen: Xen;
  /** Of the time before this start: what is made from now on is not looked at. */
  readonly #ids: Set<string>;
  #running = false;

  constructor(xen: Xen) {
    this.#xen = xen;
    this.#ids = new Set(unfinished(xen));
  }

  /** Those whose repository can be reached, and that nobody looks at, are deleted. To be called about once a second. */
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
      const isReachable = volume !== undefined && storage.isAttached(volume.repositoryId);
      if (isReachable) await this.#delete(id);
      if (catalog.volumes.byId(id) !== undefined) continue;
      this.#ids.delete(id);
      markFinished(this.#xen, id);
    }
  }

  /** Never throws. */
  async #delete(id: string): Promise<void> {
    try {
      await runOperation(this.#xen, UNSTOPPED, () => startUnmaking(this.#xen, id));
    } catch (error) {
      if (error instanceof Fault && error.code === 'IN_USE') return; // later
      this.#ids.delete(id); // the next start tries again
      this.#xen.log(`deleting volume ${id}, which was never filled`, error);
    }
  }
}
