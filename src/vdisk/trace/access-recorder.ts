/**
 * Which units of a disk a machine reads first, in the order of first access: one SharedArrayBuffer for a boot,
 * written by every worker that has the machine's disk open, read by the control thread when the boot is
 * over. What was seen before costs one test of a bit; what is over costs one load.
 *
 *     words  recording (1 or 0) · units noted (may exceed the room) · bytes of a unit · units of the disk
 *     bits   one for each unit of the disk: seen
 *     order  MAX_TRACE_UNITS numbers of units
 */
import { MAX_TRACE_UNITS, MAX_TRACED_DISK_BYTES } from './limits.ts';

const HEADER_WORDS = 4;
const WORD = { recording: 0, noted: 1, unitBytes: 2, units: 3 } as const;

/** @returns undefined for a disk that is too large to be recorded */
export function createAccessRecord(
  diskBytes: number,
  unitBytes: number,
): SharedArrayBuffer | undefined {
  if (diskBytes > MAX_TRACED_DISK_BYTES) return undefined;
  const units = Math.ceil(diskBytes / unitBytes);
  const words = HEADER_WORDS + Math.ceil(units / 32) + MAX_TRACE_UNITS;
  const memory = new SharedArrayBuffer(words * 4);
  new Int32Array(memory, 0, HEADER_WORDS).set([1, 0, unitBytes, units]);
  return memory;
}

/** Nothing is noted any more. @returns the units, in the order of first access */
export function endAccessRecord(memory: SharedArrayBuffer): Uint32Array {
  const words = new Int32Array(memory);
  Atomics.store(words, WORD.recording, 0);
  const noted = Math.min(MAX_TRACE_UNITS, Atomics.load(words, WORD.noted));
  const order = new Uint32Array(memory, orderStart(words[WORD.units] ?? 0) * 4, noted);
  // Somebody may have got his place and not yet written it; a zero stands there. Unit 0 comes once.
  return Uint32Array.from(order).filter((unit, at) => unit !== 0 || at === order.indexOf(0));
}

export class AccessRecorder {
  readonly #words: Int32Array;
  readonly #unitBytes: number;
  readonly #orderAt: number;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#unitBytes = this.#words[WORD.unitBytes] ?? 1;
    this.#orderAt = orderStart(this.#words[WORD.units] ?? 0);
  }

  /** A range is read. */
  touch(offset: number, length: number): void {
    const words = this.#words;
    if (words[WORD.recording] === 0) return;
    const last = Math.floor((offset + length - 1) / this.#unitBytes);
    for (let unit = Math.floor(offset / this.#unitBytes); unit <= last; unit++) {
      const seen = words[HEADER_WORDS + (unit >>> 5)] ?? 0;
      if (((seen >>> (unit & 31)) & 1) === 0) this.#note(unit);
    }
  }

  #note(unit: number): void {
    const bit = 1 << (unit & 31);
    const before = Atomics.or(this.#words, HEADER_WORDS + (unit >>> 5), bit);
    if ((before & bit) !== 0) return; // another worker was faster
    const place = Atomics.add(this.#words, WORD.noted, 1);
    if (place < MAX_TRACE_UNITS) Atomics.store(this.#words, this.#orderAt + place, unit);
    else Atomics.store(this.#words, WORD.recording, 0);
  }
}

function orderStart(units: number): number {
  return HEADER_WORDS + Math.ceil(units / 32);
}
