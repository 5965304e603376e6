import type { ReadableBlockDevice } from '../block/index.ts';
import type { ChainPlan } from './stack-plan.ts';

interface Live {
  readonly device: Promise<ReadableBlockDevice>;
  users: number;
}

/** A chain as one user has it. */
export interface ChainUse {
  readonly device: ReadableBlockDevice;
  /** Idempotent; its layers are closed with its last user. */
  release(): Promise<void>;
}

/** The chains that a worker has open: each once, however many machines read from it. */
export class ChainTable {
  readonly #open: (plan: ChainPlan) => Promise<ReadableBlockDevice>;
  readonly #live = new Map<string, Live>();

  constructor(open: (plan: ChainPlan) => Promise<ReadableBlockDevice>) {
    this.#open = open;
  }

  async use(plan: ChainPlan): Promise<ChainUse> {
    // The same layers from other volumes are another chain: those of this one may not be within reach any more.
    const key = `${plan.layerId} ${plan.copies ?? ''}`;
    const live = this.#live.get(key) ?? { device: this.#open(plan), users: 0 };
    this.#live.set(key, live);
    live.users++;
    let released = false;
    const release = async (): Promise<void> => {
      if (released) return;
      released = true;
      live.users--;
      if (live.users > 0) return;
      if (this.#live.get(key) === live) this.#live.delete(key);
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
