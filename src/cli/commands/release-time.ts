import { InvalidArgumentError } from 'commander';

const TIME = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)$/;

/**
 * A time with its zone, as the API wants it. JavaScript reads '5' as a day of 2001 and '2027-02-30' as 2 March:
 * too kind for what every machine boots.
 * @throws InvalidArgumentError
 */
export function parseReleaseTime(text: string): string {
  const day = TIME.exec(text)?.[1];
  const at = new Date(text).toJSON();
  const isDay = day !== undefined && new Date(day).toJSON()?.startsWith(day) === true;
  if (isDay && at !== null) return at;
  throw new InvalidArgumentError(
    'It is a time with its zone, as 2027-01-31T06:00:00Z or 2027-01-31T07:00:00+01:00.',
  );
}
