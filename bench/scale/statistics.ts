export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** @throws RangeError when there is nothing to summarise */
export function quantiles(values: readonly number[]): Quantiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
    if (value === undefined) throw new RangeError('no values to summarise');
    return value;
  };
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
