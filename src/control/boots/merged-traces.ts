import type { Catalog } from '../catalog/catalog.ts';
import { MAX_MERGED_TRACES } from '../limits.ts';
import { decodeUnits } from '../values/trace-units.ts';
import { mergeTraces } from './merge-traces.ts';

/** Machines whose boots are recorded, and of what. */
export type Recordings = Map<string, { readonly contentId: string; readonly bootId: number }>;

/** Merged traces, by content, with the mark of what they were made of. */
export class MergedTraces {
  readonly #merged = new Map<string, { readonly mark: string; readonly order: Uint32Array }>();

  /**
   * @param wanted bytes of a unit; traces in others are of no use
   * @returns units in order; empty: nothing was recorded
   */
  order(catalog: Catalog, contentId: string, wanted: number): Uint32Array {
    const { count, last } = catalog.traces.mark(contentId);
    const mark = `${count} ${last}`;
    const known = this.#merged.get(contentId);
    if (known?.mark === mark) return known.order;
    const boots = catalog.traces
      .ofContent(contentId)
      .filter(({ unitBytes }) => unitBytes === wanted)
      .flatMap(({ units }) => decodeUnits(units) ?? []);
    const order = mergeTraces(boots);
    this.#merged.delete(contentId);
    this.#merged.set(contentId, { mark, order });
    const [oldest] = this.#merged.keys();
    if (this.#merged.size > MAX_MERGED_TRACES && oldest !== undefined) this.#merged.delete(oldest);
    return order;
  }
}
