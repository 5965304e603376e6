/**
 * Times as crontab(5) has them: minute, hour, day of the month, month, day of the week, in UTC, where no hour
 * is missing and none comes twice. `*`, numbers, ranges, lists, steps and the names of months and days.
 */
import { Fault } from '../../errors/index.ts';
import { MAX_CRON_DAYS_AHEAD, MAX_CRON_LENGTH } from '../limits.ts';

export const CRON_RULE =
  "minute, hour, day of the month, month and day of the week in UTC, e.g. '30 2 * * mon-fri'";

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const DAYS = 'sun mon tue wed thu fri sat'.split(' ');
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

interface Range {
  readonly least: number;
  readonly most: number;
  /** Words for its numbers, from `least` on. */
  readonly words?: readonly string[];
}

const MINUTE: Range = { least: 0, most: 59 };
const HOUR: Range = { least: 0, most: 23 };
const DAY_OF_MONTH: Range = { least: 1, most: 31 };
const MONTH: Range = { least: 1, most: 12, words: MONTHS };
/** 7 is Sunday too. */
const DAY_OF_WEEK: Range = { least: 0, most: 7, words: DAYS };

interface Cron {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly isDay: (date: Date) => boolean;
}

/** @throws Fault INVALID_INPUT, also for what never comes (a 30th of February) */
export function parseCron(text: string, field: string): string {
  const cron = text.length <= MAX_CRON_LENGTH ? cronOf(text) : undefined;
  if (cron !== undefined && nextOf(cron, 0) !== undefined) return text.trim();
  throw new Fault('INVALID_INPUT', `${field} is not a time that comes again and again`, {
    field,
    value: text,
    expected: CRON_RULE,
  });
}

/** The first time after `now`, in milliseconds since the epoch. @param text that parseCron has seen */
export function nextCron(text: string, now: number): number {
  const cron = cronOf(text);
  const next = cron === undefined ? undefined : nextOf(cron, now);
  if (next === undefined) throw new Fault('INTERNAL', `a schedule has no next time: ${text}`);
  return next;
}

function nextOf({ minutes, hours, isDay }: Cron, now: number): number | undefined {
  const first = (Math.floor(now / MINUTE_MS) + 1) * MINUTE_MS;
  const today = Math.floor(first / DAY_MS) * DAY_MS;
  for (let day = 0; day <= MAX_CRON_DAYS_AHEAD; day++) {
    const midnight = today + day * DAY_MS;
    if (!isDay(new Date(midnight))) continue;
    for (const hour of hours) {
      for (const minute of minutes) {
        const at = midnight + (hour * 60 + minute) * MINUTE_MS;
        if (at >= first) return at;
      }
    }
  }
  return undefined;
}

function cronOf(text: string): Cron | undefined {
  const parts = text.trim().toLowerCase().split(/\s+/);
  if (parts.length !== 5) return undefined;
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = ''] = parts;
  const minutes = numbers(minute, MINUTE);
  const hours = numbers(hour, HOUR);
  const days = numbers(dayOfMonth, DAY_OF_MONTH);
  const months = numbers(month, MONTH);
  const weekdays = numbers(dayOfWeek, DAY_OF_WEEK)?.map((day) => day % 7);
  if (!minutes || !hours || !days || !months || !weekdays) return undefined;
  // As cron: when both days are given, either will do.
  const either = !dayOfMonth.startsWith('*') && !dayOfWeek.startsWith('*');
  const isDay = (date: Date): boolean => {
    if (!months.includes(date.getUTCMonth() + 1)) return false;
    const inMonth = days.includes(date.getUTCDate());
    const inWeek = weekdays.includes(date.getUTCDay());
    return either ? inMonth || inWeek : inMonth && inWeek;
  };
  return { minutes, hours, isDay };
}

/** Ascending. undefined: it is wrong. */
function numbers(part: string, range: Range): readonly number[] | undefined {
  const found = new Set<number>();
  for (const item of part.split(',')) {
    const [span = '', step, more] = item.split('/');
    const by = step === undefined ? 1 : wholeNumber(step);
    const ends = spanOf(span, range, step !== undefined);
    if (more !== undefined || by === undefined || by < 1 || ends === undefined) return undefined;
    for (let number = ends[0]; number <= ends[1]; number += by) found.add(number);
  }
  return [...found].sort((a, b) => a - b);
}

function spanOf(
  span: string,
  range: Range,
  hasStep: boolean,
): readonly [number, number] | undefined {
  if (span === '*') return [range.least, range === DAY_OF_WEEK ? 6 : range.most];
  const [from = '', to, more] = span.split('-');
  const least = numberOf(from, range);
  // `5/15` goes on to the end, as `5-59/15`.
  const most = to === undefined ? (hasStep ? range.most : least) : numberOf(to, range);
  if (more !== undefined || least === undefined || most === undefined) return undefined;
  return least <= most ? [least, most] : undefined;
}

function numberOf(text: string, { least, most, words = [] }: Range): number | undefined {
  const word = words.indexOf(text);
  const number = word === -1 ? wholeNumber(text) : least + word;
  return number !== undefined && number >= least && number <= most ? number : undefined;
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,2}$/.test(text) ? Number(text) : undefined;
}
