import type { ReadableBlockDevice } from '../block/index.ts';
import type { LayerPlan } from './stack-plan.ts';

interface Live {
  readonly device: Promise<ReadableBlockDevice>;
  users: number;
}

/** A layer as one user has it. */
export interface LayerUse {
  readonly device: ReadableBlockDevice;
  /** Idempotent; the layer is closed with its last user. */
  release(): Promise<void>;
}

/** The layers that a worker has open: each once, however many machines read from it. */
export class LayerTable {
  readonly #open: (plan: LayerPlan) => Promise<ReadableBlockDevice>;
  readonly #live = new Map<string, Live>();

  constructor(open: (plan: LayerPlan) => Promise<ReadableBlockDevice>) {
    this.#open = open;
  }

  async use(plan: LayerPlan): Promise<LayerUse> {
    const live = this.#live.get(plan.layerId) ?? { device: this.#open(plan), users: 0 };
    this.#live.set(plan.layerId, live);
    live.users++;
    let released = false;
    const release = async (): Promise<void> => {
      if (released) return;
      released = true;
      live.users--;
      if (live.users > 0) return;
      if (this.#live.get(plan.layerId) === live) this.#live.delete(plan.layerId);
      await (await live.device.catch(() => undefined))?.close();
    };
    try {
      return { device: await live.device, release };
    } catch (error) {
      await release();
      throw error;
    }
  }
}
