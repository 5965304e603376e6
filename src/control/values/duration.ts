import { Fault } from '../../errors/index.ts';

const DURATION = /^([1-9][0-9]{0,8}) ?(s|min|m|h|d|w)$/;

const UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** The units of durationText, largest first. */
const SPELT = ['w', 'd', 'h', 'm', 's'] as const;

/**
 * Milliseconds from `30s`, `15m`, `1h`, `1d` or `1w`.
 * @throws Fault INVALID_INPUT
 */
export function parseDuration(
  value: string,
  field: string,
  { least, most }: { readonly least: number; readonly most: number },
): number {
  const match = DURATION.exec(value);
  const ms = match === null ? undefined : Number(match[1]) * (UNITS[match[2] ?? ''] ?? Number.NaN);
  if (ms !== undefined && ms >= least && ms <= most) return ms;
  throw new Fault('INVALID_INPUT', `${field} is not a usable time`, {
    field,
    value,
    expected: `a whole number with s, m, h, d or w, from ${durationText(least)} to ${durationText(most)}`,
  });
}

/** As it would be given: `90s`, `1h`. */
export function durationText(ms: number): string {
  const unit = SPELT.find((name) => ms % (UNITS[name] ?? 1) === 0);
  return unit === undefined ? `${ms / 1000}s` : `${ms / (UNITS[unit] ?? 1)}${unit}`;
}
