import type { ReadableBlockDevice, SharedSource } from '../block/index.ts';
import type { ChainPlan } from './stack-plan.ts';

export interface OpenChain {
  readonly device: ReadableBlockDevice;
  /** What fills its cache, where workers share that. */
  readonly source: SharedSource | undefined;
}

interface Live {
  readonly chain: Promise<OpenChain>;
  users: number;
}

/** A chain as one user has it. */
export interface ChainUse extends OpenChain {
  /** Idempotent; its layers are closed with its last user. */
  release(): Promise<void>;
}

/** The chains that a worker has open: each once, however many machines read from it. */
export class ChainTable {
  readonly #open: (plan: ChainPlan) => Promise<OpenChain>;
  readonly #live = new Map<string, Live>();

  constructor(open: (plan: ChainPlan) => Promise<OpenChain>) {
    this.#open = open;
  }

  async use(plan: ChainPlan): Promise<ChainUse> {
    // The same layers from other volumes are another chain: those of this one may not be within reach any more.
    const key = `${plan.layerId} ${plan.copies ?? ''}`;
    const live = this.#live.get(key) ?? { chain: this.#open(plan), users: 0 };
    this.#live.set(key, live);
    live.users++;
    let released = false;
    const release = async (): Promise<void> => {
      if (released) return;
      released = true;
      live.users--;
      if (live.users > 0) return;
      if (this.#live.get(key) === live) this.#live.delete(key);
      await (await live.chain.catch(() => undefined))?.device.close();
    };
    try {
      return { ...(await live.chain), release };
    } catch (error) {
      await release();
      throw error;
    }
  }
}
