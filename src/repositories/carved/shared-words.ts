/**
 * What the control thread and the workers share besides the maps.
 *
 * REQUESTS IN FLIGHT (one VolumeWords for each volume). An extent that is taken from a volume must not be given to
 * another one while a request that looked it up still reads or writes it. Each request therefore counts itself, from
 * before it looks at the map until its I/O has settled, in one of two counters: the one that the volume's epoch selects
 * (`enter`, `leave`). The control thread first clears the map entries, then moves the epoch on and waits until the
 * counter of the epoch before is zero (`drained`).
 *   Claim: whoever found an entry that was cleared has left when `drained` settles. All words are accessed with
 *   Atomics, so there is one order of all accesses. A request adds to counter e and then reads epoch e once more. If
 *   it reads e, the add comes before the epoch's change and so before the first look of `drained` at that counter,
 *   which then waits for it. If it reads e + 1, it takes its add back and tries again, and looks at the map only after
 *   the change, where the entry is already cleared. The counter is used again (epoch e + 2) only after `drained` has
 *   seen it at zero. Nobody waits for the control thread between `enter` and `leave`, so `drained` always ends.
 *
 * DURABILITY OF MAPS. `version` grows before map entries that were written to the journal are shown; `stable` is the
 * version that a flush has covered. A write with FUA may use the device's FUA only when the two are equal after it
 * looked the extent up; otherwise the data would be stable and the entry that leads to it would not.
 */
import { IN_FLIGHT_POLL_MS } from './limits.ts';

const EPOCH = 0;
/** Two counters. */
const RUNNING = 1;
const AWAITED = 3;
const OPEN = 4;
const VERSION = 5;
const STABLE = 6;
const VOLUME_WORDS = 8;

/** Which counter a request is in. */
export type InFlight = 0 | 1;

export class VolumeWords {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  /** Of the control thread: drains of one volume take turns. */
  #draining: Promise<void> = Promise.resolve();

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(VOLUME_WORDS * 4)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** Before the map is looked at. */
  enter(): InFlight {
    for (;;) {
      const epoch = Atomics.load(this.#words, EPOCH);
      const counter = (epoch & 1) as InFlight;
      Atomics.add(this.#words, RUNNING + counter, 1);
      if (Atomics.load(this.#words, EPOCH) === epoch) return counter;
      this.leave(counter);
    }
  }

  /** When the I/O has settled. */
  leave(counter: InFlight): void {
    const before = Atomics.sub(this.#words, RUNNING + counter, 1);
    if (before === 1 && Atomics.load(this.#words, AWAITED) !== 0) {
      Atomics.notify(this.#words, RUNNING + counter);
    }
  }

  /** Settles when no request is left that looked at the map before this call. Control thread only. */
  drained(): Promise<void> {
    this.#draining = this.#draining.then(() => this.#drain());
    return this.#draining;
  }

  get open(): number {
    return Atomics.load(this.#words, OPEN);
  }

  addOpen(count: 1 | -1): void {
    Atomics.add(this.#words, OPEN, count);
  }

  /** Before entries of a new commit are shown. Control thread only. */
  nextVersion(): void {
    Atomics.add(this.#words, VERSION, 1);
  }

  /** To be read before a flush whose end `flushed` is told. */
  get version(): number {
    return Atomics.load(this.#words, VERSION);
  }

  /** Whether every entry that can be seen is on stable storage. */
  get isStable(): boolean {
    return Atomics.load(this.#words, STABLE) === Atomics.load(this.#words, VERSION);
  }

  flushed(version: number): void {
    for (;;) {
      const stable = Atomics.load(this.#words, STABLE);
      // The difference, so that the numbers may wrap round.
      if (((version - stable) | 0) <= 0) return;
      if (Atomics.compareExchange(this.#words, STABLE, stable, version) === stable) return;
    }
  }

  async #drain(): Promise<void> {
    const epoch = Atomics.load(this.#words, EPOCH);
    const counter = RUNNING + (epoch & 1);
    Atomics.store(this.#words, AWAITED, 1);
    Atomics.store(this.#words, EPOCH, (epoch + 1) | 0);
    for (;;) {
      const running = Atomics.load(this.#words, counter);
      if (running === 0) break;
      const sleep = Atomics.waitAsync(this.#words, counter, running, IN_FLIGHT_POLL_MS);
      if (sleep.async) await sleep.value;
    }
    Atomics.store(this.#words, AWAITED, 0);
  }
}

const STATE = 0;
const BEAT = 1;
const SHRUNK = 2;
const DEVICE_WORDS = 3;

/**
 * `halted`: the journal could not be written, and what the device would say after a crash is not known: nothing may be
 * changed until it is. `fenced`: another server owns the device.
 */
export type DeviceState = 'ready' | 'halted' | 'fenced';
const STATES = ['ready', 'halted', 'fenced'] as const;

/** One for each carved device. */
export class DeviceWords {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(DEVICE_WORDS * 4)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  get state(): DeviceState {
    return STATES[Atomics.load(this.#words, STATE)] ?? 'fenced';
  }

  /** Fenced is for good. */
  set state(state: DeviceState) {
    if (this.state !== 'fenced') Atomics.store(this.#words, STATE, STATES.indexOf(state));
  }

  /** The device has become smaller: what lies beyond its end is refused by the device itself, and nobody waits for it. */
  get shrunk(): boolean {
    return Atomics.load(this.#words, SHRUNK) !== 0;
  }

  set shrunk(shrunk: boolean) {
    Atomics.store(this.#words, SHRUNK, shrunk ? 1 : 0);
  }

  /** Changes each time the device was found to be ours. */
  get beat(): number {
    return Atomics.load(this.#words, BEAT);
  }

  addBeat(): void {
    Atomics.add(this.#words, BEAT, 1);
  }
}
