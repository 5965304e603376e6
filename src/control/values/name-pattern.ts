/**
 * Names for machines that enrol themselves: `pc-{n}` gives pc-1, pc-2, … (the lowest number that is
 * free), `pc-{mac}` gives pc-525400123456.
 */
import { Fault } from '../../errors/index.ts';
import { MAX_MACHINES } from '../limits.ts';
import { isName } from './name.ts';

const NUMBER = '{n}';
const MAC = '{mac}';

export const NAME_PATTERN_RULE =
  'a name that holds {n} (a number) or {mac} (twelve hex digits) once, e.g. pc-{n}';

/** @throws Fault INVALID_INPUT */
export function parseNamePattern(value: string, field: string): string {
  const places = value.split(NUMBER).length + value.split(MAC).length - 2;
  const longest = value.replace(NUMBER, String(MAX_MACHINES)).replace(MAC, '0'.repeat(12));
  if (places === 1 && isName(longest)) return value;
  throw new Fault('INVALID_INPUT', `${field} is not a name pattern`, {
    field,
    value,
    expected: NAME_PATTERN_RULE,
  });
}

/** The first name of the pattern that is not taken; undefined when there is none. */
export function nameFromPattern(
  pattern: string,
  mac: string,
  isTaken: (name: string) => boolean,
): string | undefined {
  if (pattern.includes(MAC)) {
    const name = pattern.replace(MAC, mac.replaceAll(':', ''));
    return isTaken(name) ? undefined : name;
  }
  for (let number = 1; number <= MAX_MACHINES; number++) {
    const name = pattern.replace(NUMBER, String(number));
    if (!isTaken(name)) return name;
  }
  return undefined;
}
