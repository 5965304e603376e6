/**
 * Writes of one file that were answered and are not known to be on stable storage, in the order of their answers.
 * Overlapping writes are made one after the other (data-file.ts), so of two that overlap the later one here is the
 * later one for the caller too.
 */
import { UNSTABLE } from '../wire/data.ts';
import type { WriteCall } from './data-call.ts';
import type { WriteMemory } from './write-memory.ts';

/** A range that the server lost: the part of a write that no later write covers. */
export interface LostPiece {
  readonly write: WriteCall;
  /** In the file. */
  readonly start: number;
  readonly end: number;
}

export class Uncommitted {
  readonly #memory: WriteMemory;
  #writes: WriteCall[] = [];
  #bytes = 0;
  /** Of them, those that the server may lose. */
  #unstable = 0;
  #sequence = 0;

  constructor(memory: WriteMemory) {
    this.#memory = memory;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#writes.length;
  }

  /** Of the newest write. */
  get sequence(): number {
    return this.#sequence;
  }

  add(write: WriteCall): void {
    this.#sequence += 1;
    write.sequence = this.#sequence;
    this.#writes.push(write);
    this.#bytes += write.written;
    if (write.committed === UNSTABLE) this.#unstable += 1;
  }

  /** Whether a write answered with this verifier shows that the server has forgotten earlier ones. */
  contradicts(high: number, low: number): boolean {
    const last = this.#writes.at(-1);
    return last !== undefined && (last.verifierHigh !== high || last.verifierLow !== low);
  }

  /**
   * A COMMIT that began when `sequence` was the newest was answered with this verifier: what it covers is stable.
   * @returns whether that is all up to `sequence`
   */
  committed(sequence: number, high: number, low: number): boolean {
    let kept = 0;
    let all = true;
    for (const write of this.#writes) {
      const older = write.sequence <= sequence;
      if (older && write.verifierHigh === high && write.verifierLow === low) {
        this.#drop(write);
        continue;
      }
      if (older && write.committed === UNSTABLE) all = false;
      this.#writes[kept] = write;
      kept += 1;
    }
    this.#writes.length = kept;
    if (this.#unstable === 0) this.clear(); // nothing is left to be hidden
    return all;
  }

  /** What must be written again for the file to be as it was: oldest writes first; the pieces overlap nowhere. */
  lostPieces(): LostPiece[] {
    const pieces: LostPiece[] = [];
    const covered = new Cover();
    for (const write of this.#writes.toReversed()) {
      const start = write.offset;
      const end = write.offset + write.written;
      // What was written as stable is there: it only hides what is older.
      if (write.committed === UNSTABLE) {
        for (const gap of covered.gaps(start, end)) pieces.push({ write, ...gap });
      }
      covered.add(start, end);
    }
    return pieces.reverse();
  }

  /**
   * All before this one were written again, with this verifier. Always all: were one forgotten before an older one
   * that it covers, the older one would come back.
   */
  rewritten(before: number, high: number, low: number): void {
    for (const write of this.#writes) {
      if (write.sequence >= before) return;
      write.verifierHigh = high;
      write.verifierLow = low;
    }
  }

  clear(): void {
    for (const write of this.#writes) this.#drop(write);
    this.#writes = [];
  }

  #drop(write: WriteCall): void {
    this.#bytes -= write.written;
    if (write.committed === UNSTABLE) this.#unstable -= 1;
    if (write.segment !== undefined) this.#memory.release(write.segment);
  }
}

/** A set of bytes, as ranges in order that do not touch. */
class Cover {
  #ranges: { start: number; end: number }[] = [];

  /** What of [start, end) is not in it. */
  gaps(start: number, end: number): { start: number; end: number }[] {
    const gaps: { start: number; end: number }[] = [];
    let at = start;
    for (let index = this.#firstEndingAfter(start); at < end; index += 1) {
      const range = this.#ranges[index];
      const next = range === undefined ? end : Math.min(range.start, end);
      if (next > at) gaps.push({ start: at, end: next });
      if (range === undefined) break;
      at = Math.max(at, range.end);
    }
    return gaps;
  }

  add(start: number, end: number): void {
    const first = this.#firstEndingAfter(start - 1);
    let last = first;
    let from = start;
    let to = end;
    for (; last < this.#ranges.length; last += 1) {
      const range = this.#ranges[last];
      if (range === undefined || range.start > end) break;
      from = Math.min(from, range.start);
      to = Math.max(to, range.end);
    }
    this.#ranges.splice(first, last - first, { start: from, end: to });
  }

  #firstEndingAfter(at: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle]?.end ?? 0) > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
