/** Dates on the wire (xapi date.ml): basic date, extended time. */

const FORM =
  /^(\d{4})(-?)(\d{2})\2(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,12}))?(Z|z|[+-]\d{2}:?\d{2})?$/;

const FIRST_MS = Date.parse('0000-01-01T00:00:00Z');
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');

const MINUTE_MS = 60_000;

/**
 * With or without dashes, fraction and zone; no zone is UTC.
 * @returns milliseconds since the epoch; undefined: it is no date
 */
export function dateTimeOfText(text: string): number | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, year, , month, day, hour, minute, second, fraction = '', zone = 'Z'] = match;
  const milliseconds = fraction.slice(0, 3).padEnd(3, '0');
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}.${milliseconds}Z`;
  const parsed = Date.parse(local);
  // Date.parse carries the 31st of June over into July.
  if (Number.isNaN(parsed) || new Date(parsed).toISOString() !== local) return undefined;
  const offset = offsetMinutes(zone);
  if (offset === undefined) return undefined;
  const value = parsed - offset * MINUTE_MS;
  return isDateTime(value) ? value : undefined;
}

function offsetMinutes(zone: string): number | undefined {
  if (zone === 'Z' || zone === 'z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}

/** Whether it can be written: its year has four digits. */
export function isDateTime(ms: number): boolean {
  return ms >= FIRST_MS && ms <= LAST_MS;
}

/** `YYYYMMDDTHH:MM:SSZ`; of what `isDateTime`. */
export function dateTimeText(ms: number): string {
  const text = new Date(ms).toISOString();
  return `${text.slice(0, 4)}${text.slice(5, 7)}${text.slice(8, 19)}Z`;
}
