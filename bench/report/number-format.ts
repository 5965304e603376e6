/** How numbers are written for people: three digits that mean something. */
import type { Spread } from '../statistics.ts';

/** Stands where a figure was not measured, or cannot be. */
export const NOT_MEASURED = '—';

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `0.123`, `1.23`, `12.3`, `123`, `1,234`: as many decimals as make three digits, thousands apart. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return NOT_MEASURED;
  // Rounded first: 99.96 is 100, not 100.0.
  const rounded = Number(value.toPrecision(3));
  const size = Math.abs(rounded);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  if (size >= 100 || size === 0) return rounded.toFixed(0);
  if (size >= 10) return rounded.toFixed(1);
  if (size >= 1) return rounded.toFixed(2);
  return size < 0.001 ? `${value < 0 ? '−' : ''}<0.001` : rounded.toFixed(3);
}

/** `12.3 (11.0–14.1)`: the median, and from where to where; of one round only the figure. */
export function figureRange({ median, min, max }: Spread): string {
  return min === max ? figure(median) : `${figure(median)} (${figure(min)}–${figure(max)})`;
}

/** A share as `97 %`. */
export function percent(share: number): string {
  return Number.isFinite(share) ? `${Math.round(share * 100)} %` : NOT_MEASURED;
}

/** A ratio always has two decimals, so that ratios of a column can be compared by eye. */
export function ratio(value: number): string {
  if (!Number.isFinite(value)) return NOT_MEASURED;
  return value >= 100 ? figure(value) : value.toFixed(2);
}

/** `512 MiB`, `1.50 GiB`: exact sizes without decimals. */
export function byteCount(bytes: number): string {
  if (!Number.isFinite(bytes)) return NOT_MEASURED;
  const power = bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10);
  const index = Math.min(BYTE_UNITS.length - 1, power);
  const value = bytes / 2 ** (10 * index);
  return `${Number.isInteger(value) ? value.toLocaleString('en-US') : figure(value)} ${BYTE_UNITS[index]}`;
}
