/**
 * One request at a time of one machine: takes it from a script, sends it, checks the answer, and takes
 * the next. A workload's queue depth is that many slots. Nothing is allocated for a request here beyond
 * what the device itself returns.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MaybePromise } from '../../src/base/index.ts';
import { type BlockDevice, PLAIN } from '../../src/block/index.ts';
import type { DiskModel } from './disk-model.ts';
import { WrongDataError } from './job.ts';

export type RequestKind = 'read' | 'write' | 'flush';

export interface Script {
  /** Puts the next request into the slot. @returns ms to wait before it is sent, or END */
  next(slot: Slot): number;
  /** It was answered, rightly. @param now as performance.now() says it */
  answered(slot: Slot, now: number): void;
}

export const END = -1;

/** A device that never waits must not keep the timers from their turn. */
const MOST_IN_ONE_TURN = 64;

export interface Disk {
  /** As an error names it. */
  readonly name: string;
  readonly model: DiskModel;
}

export class Slot {
  /** Which of the machine's slots, 0 … */
  readonly index: number;
  kind: RequestKind = 'read';
  offset = 0;
  length = 0;
  /** When the current request was sent. */
  began = 0;
  /** When the last answer came. */
  now: number;
  readonly #device: BlockDevice;
  readonly #disk: Disk;
  readonly #script: Script;
  readonly #buffer: Buffer;
  #view: Buffer;
  #resolve: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(
    index: number,
    device: BlockDevice,
    disk: Disk,
    script: Script,
    longest: number,
    now: number,
  ) {
    this.index = index;
    this.now = now;
    this.#device = device;
    this.#disk = disk;
    this.#script = script;
    this.#buffer = Buffer.allocUnsafeSlow(longest);
    this.#view = this.#buffer;
  }

  /** Until the script has nothing left. @throws the first error, or the first difference */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#pump();
    });
  }

  readonly #pump = (): void => {
    try {
      for (let turns = 0; turns < MOST_IN_ONE_TURN; turns += 1) {
        const wait = this.#script.next(this);
        if (wait === END) {
          this.#resolve();
          return;
        }
        const waits = wait > 0 ? this.#sendAfter(wait) : this.#send();
        if (waits !== undefined) {
          waits.then(this.#answered, this.#reject);
          return;
        }
        this.#take();
      }
      setImmediate(this.#pump);
    } catch (error) {
      this.#reject(error);
    }
  };

  readonly #answered = (): void => {
    try {
      this.#take();
    } catch (error) {
      this.#reject(error);
      return;
    }
    this.#pump();
  };

  async #sendAfter(ms: number): Promise<void> {
    await sleep(ms);
    await this.#send();
  }

  #send(): MaybePromise<void> {
    const { offset, length } = this;
    if (this.kind === 'flush') {
      this.began = performance.now();
      return this.#device.flush();
    }
    if (this.#view.length !== length) this.#view = this.#buffer.subarray(0, length);
    if (this.kind === 'read') {
      this.began = performance.now();
      return this.#device.read(this.#view, offset);
    }
    this.#disk.model.prepareWrite(this.#view, offset);
    this.began = performance.now();
    return this.#device.write(this.#view, offset, PLAIN);
  }

  #take(): void {
    const now = performance.now();
    this.now = now;
    if (this.kind === 'read') checkRead(this.#disk, this.#view, this.offset);
    this.#script.answered(this, now);
  }
}

/** @throws WrongDataError that names disk, place, what was there and what should be */
export function checkRead({ name, model }: Disk, data: Buffer, offset: number): void {
  const fault = model.check(data, offset);
  if (fault === undefined) return;
  throw new WrongDataError(
    `${name}: wrong data at offset ${fault.offset}: found ${fault.found}; it should be ${fault.wanted}`,
  );
}
