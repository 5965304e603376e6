/**
 * First writes of one open volume: asks the control thread for extents, each of them once however many writes wait for
 * it, and all that are wanted in one turn of the event loop together.
 */
import type { AskControl } from '../adapter.ts';
import type { ExtentMap } from './extent-map.ts';
import { EXTENTS_AT_ONCE } from './limits.ts';
import type { CarvedQuestion } from './questions.ts';

interface Wanted {
  readonly mapped: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

export class ExtentRequests {
  readonly #volume: string;
  readonly #map: ExtentMap;
  readonly #ask: AskControl;
  readonly #wanted = new Map<number, Wanted>();
  #asking = false;

  constructor(volume: string, map: ExtentMap, ask: AskControl) {
    this.#volume = volume;
    this.#map = map;
    this.#ask = ask;
  }

  /** Settles when the extent has been mapped; it may have been freed again since. @throws BlockError ENOSPC … */
  want(index: number): Promise<void> {
    const there = this.#wanted.get(index);
    if (there !== undefined) return there.mapped;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#wanted.set(index, { mapped: promise, resolve, reject });
    if (!this.#asking) {
      this.#asking = true;
      queueMicrotask(() => void this.#askForAll());
    }
    return promise;
  }

  async #askForAll(): Promise<void> {
    while (this.#wanted.size > 0) {
      const extents = [...this.#wanted.keys()].slice(0, EXTENTS_AT_ONCE);
      const question: CarvedQuestion = { kind: 'allocate', volume: this.#volume, extents };
      try {
        await this.#ask(question);
        // Those that are not mapped yet are asked for again: the device had room for some of them only, or somebody
        // freed them at once.
        for (const index of extents) if (this.#map.get(index) !== 0) this.#settle(index);
      } catch (error) {
        for (const index of extents) this.#settle(index, error);
      }
    }
    this.#asking = false;
  }

  #settle(index: number, error?: unknown): void {
    const wanted = this.#wanted.get(index);
    this.#wanted.delete(index);
    if (error === undefined) wanted?.resolve();
    else wanted?.reject(error);
  }
}
