/**
 * What changed since when: the memory behind `event.from`. Each change has a generation, a number that only
 * grows; whoever asks says the generation up to which he knows, and gets each object that changed since once, as
 * it is now (coalesced, as xapi does it).
 *
 * It holds one entry for each change, in order, and is compacted when most of them have been overtaken: then one
 * entry is left for each object that lives, and those of the latest deletions. Who knows less than that has lost
 * events.
 */
import type { Ref } from '../datamodel/description.ts';
import { MAX_DELETIONS, SPARE_CHANGES } from './limits.ts';

export interface Change {
  readonly generation: number;
  readonly className: string;
  readonly ref: Ref;
  /** Of the object, when it was made. */
  readonly created: number;
  /**
   * Of the first object with that ref: refs come back (refs.ts), and who knew the one before must hear of a
   * deletion even if he never heard of the one after it.
   */
  readonly firstCreated: number;
  readonly deleted: boolean;
}

export class ChangeLog {
  #entries: Change[] = [];
  /** By ref: the latest of each, deleted or not. */
  readonly #latest = new Map<Ref, Change>();
  #deletions = 0;
  /** Deletions up to here may have been forgotten. */
  #floor: number;
  #generation: number;

  /**
   * @param first the generation at the start: greater than any of a run before, so that a token of it is known
   *   to be old
   */
  constructor(first: number) {
    this.#generation = first;
    this.#floor = first;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Whether `since` that generation would miss something. 0 misses nothing: it asks for what is there. */
  isLost(generation: number): boolean {
    return generation !== 0 && (generation < this.#floor || generation > this.#generation);
  }

  /** @returns the generation of the change */
  note(className: string, ref: Ref, deleted: boolean): number {
    const generation = ++this.#generation;
    const before = this.#latest.get(ref);
    const isNew = before === undefined || before.deleted;
    const created = isNew ? generation : before.created;
    const firstCreated = before?.firstCreated ?? generation;
    if (before?.deleted === true) this.#deletions--;
    if (deleted) this.#deletions++;
    const change = { generation, className, ref, created, firstCreated, deleted };
    this.#entries.push(change);
    this.#latest.set(ref, change);
    const live = this.#latest.size - this.#deletions;
    if (this.#entries.length > 2 * live + SPARE_CHANGES) this.#compact();
    return generation;
  }

  /** The latest of each object that changed after `generation`, in the order in which they happened. */
  *since(generation: number): Iterable<Change> {
    for (let index = this.#after(generation); index < this.#entries.length; index++) {
      const change = this.#entries[index];
      if (change !== undefined && this.#latest.get(change.ref) === change) yield change;
    }
  }

  #after(generation: number): number {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle]?.generation ?? Infinity) > generation) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #compact(): void {
    let forget = this.#deletions - MAX_DELETIONS;
    const kept: Change[] = [];
    for (const change of this.#entries) {
      if (this.#latest.get(change.ref) !== change) continue;
      if (change.deleted && forget > 0) {
        forget--;
        this.#deletions--;
        this.#floor = change.generation;
        this.#latest.delete(change.ref);
      } else kept.push(change);
    }
    this.#entries = kept;
  }
}
