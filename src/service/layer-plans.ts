import type { StackPlan } from '../exports/index.ts';
import type { LayerShelf } from './layer-shelf.ts';
import type { TrafficBook } from './storage/traffic-book.ts';

/** Plans of sealed layers that nobody writes above: each counts as a use of its layer until it is released. */
export class LayerPlans {
  readonly #layers: Pick<LayerShelf, 'use' | 'plan'>;
  readonly #traffic: Pick<TrafficBook, 'use' | 'release'> | undefined;
  /** What ends a use, by the plan's key; one for each plan. */
  readonly #uses = new Map<string, (() => void)[]>();

  /** @param traffic where what passes through them is counted; absent: it is not */
  constructor(
    layers: Pick<LayerShelf, 'use' | 'plan'>,
    traffic?: Pick<TrafficBook, 'use' | 'release'>,
  ) {
    this.#layers = layers;
    this.#traffic = traffic;
  }

  /** All that read one layer share what is open of it, under whatever name. @throws Fault as LayerShelf.plan */
  async plan(name: string, layerId: string, description: string): Promise<StackPlan> {
    const done = this.#layers.use(layerId);
    try {
      const chain = await this.#layers.plan(layerId);
      const key = `layer:${layerId} ${chain.copies ?? ''}`;
      // A layer is one disk, whichever copies it is read from.
      const counted = `layer:${layerId}`;
      const disk = { key: counted, id: layerId, repositoryId: undefined };
      const traffic = this.#traffic?.use(disk);
      const end = (): void => {
        this.#traffic?.release(counted);
        done();
      };
      this.#uses.set(key, [...(this.#uses.get(key) ?? []), end]);
      return { key, name, description, chain, overlay: undefined, traffic };
    } catch (error) {
      done();
      throw error;
    }
  }

  /** Whether it was one of these. */
  release(key: string): boolean {
    const uses = this.#uses.get(key);
    if (uses === undefined) return false;
    uses.pop()?.();
    if (uses.length === 0) this.#uses.delete(key);
    return true;
  }
}
