/** Overlays that nobody has open: loaded, so that their fill is known, and settled at the end. */
import { forEachOf } from '../base/index.ts';
import type { Catalog } from '../control/index.ts';
import { listOwners } from './disk-owner.ts';
import { OVERLAYS_OPENED_AT_ONCE, OVERLAYS_WORTH_THREADS } from './limits.ts';
import type { OverlayBook } from './overlay-book.ts';
import type { RecoveryThreads } from './recovery/index.ts';

export interface OverlayFiguresOptions {
  readonly catalog: Catalog;
  readonly overlays: Pick<OverlayBook, 'facts' | 'load' | 'settle'>;
  /** Where the book has maps opened; absent: in this thread. */
  readonly recovery?: Pick<RecoveryThreads, 'during'>;
  /** Something of one owner failed; the others are not concerned. */
  readonly troubled: (subject: string, what: string, error: unknown) => void;
}

export class OverlayFigures {
  readonly #options: OverlayFiguresOptions;
  readonly #loading = new Set<Promise<void>>();
  #isEnding = false;

  constructor(options: OverlayFiguresOptions) {
    this.#options = options;
  }

  /**
   * Opens the overlays that exist, so that their fill is known before anybody connects.
   * @param repositoryId of those in it: it was attached just now
   */
  async load(repositoryId?: string): Promise<void> {
    const loading = this.#load(repositoryId)
      .catch((error: unknown) => this.#options.troubled('service', 'opening write caches', error))
      .finally(() => this.#loading.delete(loading));
    this.#loading.add(loading);
    await loading;
  }

  /** After the workers have left: what was acknowledged survives a restart of the host as well. */
  async settle(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#loading);
    for (const { key, error } of await this.#options.overlays.settle()) {
      this.#options.troubled(key, 'flushing the write cache at the end', error);
    }
  }

  async #load(repositoryId: string | undefined): Promise<void> {
    const { catalog, overlays, recovery } = this.#options;
    const owners = listOwners(catalog).filter(({ ownerId }) => {
      const there = overlays.facts(ownerId);
      return there && (repositoryId === undefined || there.repositoryId === repositoryId);
    });
    const load = (): Promise<void> => this.#loadAll(owners);
    // Those in other repositories are opened by this thread anyway.
    const many = repositoryId === undefined && owners.length >= OVERLAYS_WORTH_THREADS;
    await (many && recovery ? recovery.during(load) : load());
  }

  async #loadAll(owners: ReturnType<typeof listOwners>): Promise<void> {
    const { overlays, troubled } = this.#options;
    await forEachOf(owners, OVERLAYS_OPENED_AT_ONCE, async ({ name, ...owner }) => {
      if (this.#isEnding) return;
      try {
        await overlays.load(owner);
      } catch (error) {
        // Tried again, and told to that machine, when it connects.
        troubled(name, 'opening the write cache', error);
      }
    });
  }
}
