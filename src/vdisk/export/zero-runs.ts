/** Zeroes in memory, found by comparing: memcmp is faster than any loop of ours. Pure. */
import { ZEROES } from '../../block/index.ts';
import { HOLE_BYTES } from './limits.ts';

/** @param end at most ZEROES.length bytes from `start` */
export function isZero(bytes: Buffer, start: number, end: number): boolean {
  return ZEROES.compare(bytes, start, end, 0, end - start) === 0;
}

/** A part of some bytes: from `start` to `end`. */
export interface DataRun {
  readonly start: number;
  readonly end: number;
}

/** The parts that are not holes when the bytes lie at `position` of a file. */
export function* dataRuns(bytes: Buffer, position: number): Generator<DataRun, void> {
  let start: number | undefined;
  let at = 0;
  while (at < bytes.length) {
    const next = Math.min(at + HOLE_BYTES - ((position + at) % HOLE_BYTES), bytes.length);
    if (isZero(bytes, at, next)) {
      if (start !== undefined) yield { start, end: at };
      start = undefined;
    } else {
      start ??= at;
    }
    at = next;
  }
  if (start !== undefined) yield { start, end: at };
}
