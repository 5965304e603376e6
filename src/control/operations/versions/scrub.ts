/**
 * Every layer is read and compared with its manifest again and again, slowly: what rots on a disk is found
 * while there is still a copy elsewhere. One layer after the other, the one that was not looked at for longest
 * first; what was looked at is in the catalog, so that a restart goes on where it was.
 */
import type { LayerRecord } from '../../catalog/records.ts';
import type { Control } from '../../control.ts';
import { SCRUB_RETRY_MS } from '../../limits.ts';
import { verifyLayers } from './verify-vdisk.ts';

const DAY_MS = 86_400_000;

export interface ScrubPace {
  /** Every layer is looked at once in so many days; 0: never. */
  readonly days: number;
  readonly bytesPerSecond: number;
}

export class Scrub {
  readonly #control: Control;
  readonly #pace: ScrubPace;
  readonly #abort = new AbortController();
  /** Layers that could not be looked at, and since when. */
  readonly #failed = new Map<string, number>();
  #running: Promise<void> | undefined;

  constructor(control: Control, pace: ScrubPace) {
    this.#control = control;
    this.#pace = pace;
  }

  /** Called by the service's ticker: begins with the next layer when none is being looked at. */
  observe(now: number, failed: (error: unknown) => void): void {
    const { days, bytesPerSecond } = this.#pace;
    if (days === 0 || this.#running !== undefined || this.#abort.signal.aborted) return;
    const layer = this.#next(now, now - days * DAY_MS);
    if (layer === undefined) return;
    const what = { layerIds: [layer.id], bytesPerSecond };
    this.#running = verifyLayers(this.#control, what, () => undefined, this.#abort.signal)
      .then(() => undefined)
      .catch((error: unknown) => {
        if (this.#abort.signal.aborted) return;
        // Not the same one again at once: the others come first. It was not verified, and does not say so.
        this.#failed.set(layer.id, now);
        failed(error);
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  #next(now: number, since: number): LayerRecord | undefined {
    for (const [id, at] of this.#failed) {
      if (now - at >= SCRUB_RETRY_MS) this.#failed.delete(id);
    }
    return this.#control.catalog.layers
      .longestUnchecked(since, this.#failed.size + 1)
      .find(({ id }) => !this.#failed.has(id));
  }

  /** Settles when the layer that is being looked at is done. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Settles when nothing is being read any more. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.settled();
  }
}
