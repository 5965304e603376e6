/**
 * How large the device is, and what follows from it: space that it has grown by is used, and beyond the end of one that
 * has become smaller nothing is put any more. Of the control thread.
 */
import { type BlockDevice, currentSizeOf, isMeasurable } from '../../block/index.ts';
import type { AdapterLog } from '../adapter.ts';
import type { CommitQueue } from './commit-queue.ts';
import type { ExtentPool } from './extent-pool.ts';
import type { DeviceGrowth } from './grow-device.ts';
import { extentsOn } from './layout.ts';
import type { Ownership } from './ownership.ts';
import type { DeviceWords } from './shared-words.ts';

export interface DeviceSizeOptions {
  readonly device: BlockDevice;
  readonly ownership: Ownership;
  readonly queue: CommitQueue;
  readonly growth: DeviceGrowth;
  readonly pool: ExtentPool;
  readonly words: DeviceWords;
  readonly log: AdapterLog;
}

export class DeviceSize {
  readonly #options: DeviceSizeOptions;
  #running: Promise<void> | undefined;
  #again: Promise<void> | undefined;
  #bytes: number;

  constructor(options: DeviceSizeOptions) {
    this.#options = options;
    this.#bytes = currentSizeOf(options.device);
  }

  /** As it was seen last, by all ways to it. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of it that are used. */
  get used(): number {
    return Math.min(this.#bytes, this.#options.ownership.superblock.deviceSize);
  }

  /** Bytes that it must have, for what lies on it; undefined: it has them. */
  get missing(): number | undefined {
    const { deviceSize } = this.#options.ownership.superblock;
    return this.#bytes < deviceSize ? deviceSize : undefined;
  }

  /** Extents that can be reached. */
  get extents(): number {
    const { dataStart, extentSize, extentCount } = this.#options.ownership.superblock;
    return Math.min(extentCount, extentsOn(this.#bytes, dataStart, extentSize));
  }

  /**
   * Asks how large the device is, and takes it as it is.
   * @throws BlockError nobody answers; ESTALE: it is another server's, and nothing was changed; writing failed
   */
  refresh(): Promise<void> {
    if (this.#running === undefined) {
      this.#running = this.#refresh().finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    // What runs may have asked before whatever it is that the caller has heard of.
    this.#again ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#again = undefined;
        return this.refresh();
      });
    return this.#again;
  }

  /** Settles when nothing runs. */
  async settled(): Promise<void> {
    while (this.#running !== undefined || this.#again !== undefined) {
      await Promise.allSettled([this.#running, this.#again]);
    }
  }

  async #refresh(): Promise<void> {
    const { device, ownership, queue, growth, log } = this.#options;
    if (!isMeasurable(device)) return;
    const bytes = await device.measure();
    const before = this.missing;
    this.#bytes = bytes;
    this.#limit(before);
    if (!growth.isLarger(bytes)) return;
    let grown = false;
    await queue.alone(async () => {
      grown = await growth.grow(bytes);
    });
    const { extentCount } = ownership.superblock;
    if (grown) log.info({ bytes, extents: extentCount }, 'the device has grown, and is used so');
  }

  /** @param before `missing` of before */
  #limit(before: number | undefined): void {
    const { pool, words, log } = this.#options;
    const { missing, bytes } = this;
    if (missing === undefined && before === undefined) return;
    words.shrunk = missing !== undefined;
    pool.limit(missing === undefined ? Number.POSITIVE_INFINITY : this.extents);
    if (missing === undefined) log.info({ bytes }, 'the device has its size again');
    else if (before === undefined) log.error({ bytes, missing }, 'the device has become smaller');
  }
}
