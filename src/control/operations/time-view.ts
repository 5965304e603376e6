/**
 * Milliseconds since the epoch as RFC 3339, as every answer shows times. A list of a thousand machines
 * shows six thousand: a day is spelt once, which makes it several times as fast as Date.
 */
import { MAX_DAYS_SPELT } from '../limits.ts';

const DAY_MS = 86_400_000;

/** By number of days since the epoch: `2026-01-02T`. */
const days = new Map<number, string>();

/** @throws RangeError for what is no time */
export function iso(at: number): string {
  const day = Math.floor(at / DAY_MS);
  const ms = Math.trunc(at - day * DAY_MS);
  const hours = two(Math.trunc(ms / 3_600_000));
  const minutes = two(Math.trunc(ms / 60_000) % 60);
  const seconds = two(Math.trunc(ms / 1000) % 60);
  return `${spelling(day)}${hours}:${minutes}:${seconds}.${String(ms % 1000).padStart(3, '0')}Z`;
}

export function isoOrNull(at: number | undefined): string | null {
  return at === undefined ? null : iso(at);
}

function spelling(day: number): string {
  const known = days.get(day);
  if (known !== undefined) return known;
  const text = new Date(day * DAY_MS).toISOString().slice(0, -'00:00:00.000Z'.length);
  if (days.size >= MAX_DAYS_SPELT) days.clear();
  days.set(day, text);
  return text;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
