/**
 * How much of a device the way of this thread to it has seen. The control thread uses new space as soon as its own way
 * knows of it; another thread has sessions of its own, whose target may learn of it later. So a request beyond what this
 * thread has seen waits until it has.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type BlockDevice, currentSizeOf, isMeasurable } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { GROWTH_POLL_MS, GROWTH_WAIT_MS } from './limits.ts';
import type { DeviceWords } from './shared-words.ts';

export class DeviceReach {
  readonly #device: BlockDevice;
  readonly #words: DeviceWords;
  readonly #clock: () => number;
  #looking: Promise<void> | undefined;
  /** Bytes from the start of the device; only grows. */
  end: number;

  /** @param clock milliseconds, monotonic */
  constructor(device: BlockDevice, words: DeviceWords, clock: () => number) {
    this.#device = device;
    this.#words = words;
    this.#clock = clock;
    this.end = currentSizeOf(device);
  }

  /**
   * Settles when the device has been seen up to `end`, or is known to have become smaller: then it says itself what it
   * has not. @throws BlockError ETIMEDOUT, EIO
   */
  async to(end: number): Promise<void> {
    const started = this.#clock();
    while (this.end < end) {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
      await this.#looking;
      if (this.end >= end || this.#words.shrunk) break;
      if (this.#clock() - started > GROWTH_WAIT_MS) {
        const detail = `this way to the device has seen ${this.end} bytes of it, not ${end}`;
        throw new BlockError('ETIMEDOUT', 'extents', 0, 0, detail);
      }
      await sleep(GROWTH_POLL_MS);
    }
    // A shrunk device answers for itself.
    this.end = Math.max(this.end, end);
  }

  async #look(): Promise<void> {
    const device = this.#device;
    if (!isMeasurable(device)) {
      throw new BlockError('EIO', 'extents', 0, 0, 'beyond the end of the device');
    }
    // An answer that fails is as good as none: `to` asks again.
    const size = await device.measure().catch(() => 0);
    this.end = Math.max(this.end, size);
  }
}
