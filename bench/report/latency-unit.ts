/** Latencies come in µs; a column or a chart of long ones is written in ms or s. */

export interface LatencyUnit {
  readonly name: 'µs' | 'ms' | 's';
  /** Of these units make one. */
  readonly micros: number;
}

const UNITS: readonly LatencyUnit[] = [
  { name: 's', micros: 1e6 },
  { name: 'ms', micros: 1000 },
];

const MICROS: LatencyUnit = { name: 'µs', micros: 1 };

/** The largest unit in which none of the values is less than one; zeros do not count. */
export function latencyUnit(micros: readonly number[]): LatencyUnit {
  const least = Math.min(...micros.filter((value) => value > 0));
  if (!Number.isFinite(least)) return MICROS;
  return UNITS.find((unit) => least >= unit.micros) ?? MICROS;
}
