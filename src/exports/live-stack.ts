import { type BlockDevice, CheckedDevice } from '../block/index.ts';
import type { Stack, StackBuilder } from './build-stack.ts';
import type { StackPlan, VolumePlan } from './stack-plan.ts';
import { SwapDevice } from './swap-device.ts';

/**
 * A stack that connections share, and how many they are. A volume's can be exchanged under them; a
 * disk's is what it is.
 */
export class LiveStack {
  users = 0;
  readonly #build: StackBuilder;
  readonly #isVolume: boolean;
  #stack: Promise<Stack>;
  #swap: SwapDevice | undefined;
  /** Exchanges and the end run one after the other. */
  #turn: Promise<unknown>;
  #closed = false;
  /** How often it was let go. */
  #epoch = 0;

  constructor(plan: StackPlan, build: StackBuilder) {
    this.#build = build;
    this.#stack = build(plan);
    this.#turn = this.#stack.catch(() => undefined);
    this.#isVolume = plan.volume !== undefined;
  }

  /** For one more connection. @throws what the builder throws */
  async device(): Promise<{ readonly device: BlockDevice; close(): Promise<void> }> {
    const { device } = await this.#stack;
    if (!this.#isVolume) return { device, close: async () => {} };
    this.#swap ??= new SwapDevice(device);
    const view = new CheckedDevice(this.#swap.view());
    return { device: view, close: () => view.close() };
  }

  /**
   * Holds requests; settles when none runs, and what they wrote is on stable storage.
   * @param options.flush false: it need not be
   * @throws what the flush throws; requests are held in any case
   */
  async hold({ flush }: { readonly flush: boolean }): Promise<void> {
    const epoch = this.#epoch;
    // An exchange that took longer than anybody waited for ends with letting requests go.
    await this.#turn;
    const stack = await this.#stack.catch(() => undefined);
    if (stack === undefined || !this.#isVolume || epoch !== this.#epoch) return;
    this.#swap ??= new SwapDevice(stack.device);
    const { current } = this.#swap;
    // Most of the bytes leave while requests still run: what is left to be held for is short.
    if (flush && current.capabilities.flush) await current.flush();
    // Whoever waits for it may have given up, and nobody would let it go.
    if (epoch !== this.#epoch) return;
    await this.#swap.hold();
    if (flush && current.capabilities.flush) await current.flush();
  }

  /**
   * Ends what `hold` began.
   * @param plan undefined: goes on with the devices that it has
   * @throws when it is refused, or the new stack cannot be built: requests fail from then on, since what
   *   they went to may be a part of a snapshot
   */
  resume(plan: VolumePlan | 'refused' | undefined): Promise<void> {
    this.#epoch += 1;
    return this.#inTurn(async () => {
      const swap = await this.#swapped();
      if (swap === undefined || this.#closed) return;
      try {
        if (plan === 'refused') {
          const error = new Error('what the volume is made of now cannot be told');
          swap.refuse(error);
          throw error;
        }
        if (plan !== undefined) await this.#exchange(swap, plan);
      } finally {
        swap.release();
      }
    });
  }

  async #swapped(): Promise<SwapDevice | undefined> {
    if (!this.#isVolume) return undefined;
    const stack = await this.#stack.catch(() => undefined);
    if (stack !== undefined) this.#swap ??= new SwapDevice(stack.device);
    return this.#swap;
  }

  async #exchange(swap: SwapDevice, plan: VolumePlan): Promise<void> {
    const before = await this.#stack;
    let after: Stack | undefined;
    try {
      after = await this.#build(plan);
      // One that was opened while the others were held already runs still.
      await swap.hold();
      swap.exchange(after.device);
    } catch (error) {
      swap.refuse(error);
      await after?.close();
      throw error;
    }
    this.#stack = Promise.resolve(after);
    await before.close();
  }

  /**
   * What was acknowledged is on stable storage afterwards: a snapshot that is taken now does not find it here
   * any more, and must have it.
   * @throws what the flush throws; everything is closed in any case
   */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      this.#closed = true;
      const stack = await this.#stack;
      try {
        const { write, flush } = stack.device.capabilities;
        if (this.#isVolume && write && flush) await stack.device.flush();
      } finally {
        await stack.close();
      }
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work, work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
