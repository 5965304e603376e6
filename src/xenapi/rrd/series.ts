/**
 * One figure over time, in four archives: the finest by the sample, the others by averages of it (rrdtool's AVERAGE
 * archives, of the sizes that xapi keeps). A slot is named by the time at its end: n is what was between
 * (n − 1)·step and n·step.
 */
import { RRD_SAMPLE_SECONDS } from './limits.ts';

export interface Archive {
  /** Seconds of a row. */
  readonly step: number;
  readonly rows: number;
}

/** Ten minutes, two hours, a week, a year. */
export const ARCHIVES: readonly Archive[] = [
  { step: RRD_SAMPLE_SECONDS, rows: 120 },
  { step: 60, rows: 120 },
  { step: 3600, rows: 168 },
  { step: 86_400, rows: 366 },
];

/** Of VDIs there may be many, and they are dropped when they rest: two hours are all that is kept of them. */
export const VDI_ARCHIVES: readonly Archive[] = ARCHIVES.slice(0, 2);

interface Rows {
  readonly archive: Archive;
  readonly values: Float32Array;
  /** Of the row that is not complete. */
  sum: number;
  count: number;
}

export class Series {
  readonly #rows: readonly Rows[];

  /** @param archives some of ARCHIVES: in the others nothing is known */
  constructor(archives = ARCHIVES) {
    this.#rows = archives.map((archive) => ({
      ...{ archive, sum: 0, count: 0 },
      values: new Float32Array(archive.rows).fill(Number.NaN),
    }));
  }

  /** The figure was `value` in all samples after number `from` up to `to`. NaN: it is not known. */
  push(from: number, to: number, value: number): void {
    for (const rows of this.#rows) pushInto(rows, from, to, value);
  }

  /** @param slot one of the last rows of that archive */
  at(archive: Archive, slot: number): number {
    const rows = this.#rows.find((each) => each.archive === archive);
    return rows?.values[slot % archive.rows] ?? Number.NaN;
  }
}

function pushInto(rows: Rows, from: number, to: number, value: number): void {
  const { archive, values } = rows;
  const samples = archive.step / RRD_SAMPLE_SECONDS;
  const last = Math.ceil(to / samples);
  let first = Math.ceil((from + 1) / samples);
  if (last - first > archive.rows) {
    // Nothing of what there was is among the last rows any more.
    first = last - archive.rows;
    Object.assign(rows, { sum: 0, count: 0 });
  }
  for (let slot = first; slot <= last; slot++) {
    const end = slot * samples;
    const count = Math.min(to, end) - Math.max(from, end - samples);
    if (!Number.isNaN(value)) {
      rows.sum += value * count;
      rows.count += count;
    }
    if (to < end) return; // not complete
    values[slot % archive.rows] = rows.count === 0 ? Number.NaN : rows.sum / rows.count;
    Object.assign(rows, { sum: 0, count: 0 });
  }
}

/** The newest complete row of an archive. @param sample the number of the last sample */
export function lastSlot({ step }: Archive, sample: number): number {
  return Math.floor((sample * RRD_SAMPLE_SECONDS) / step);
}
