import { Fault } from '../../errors/index.ts';
import { MAX_NAME_LENGTH } from '../limits.ts';

/**
 * Names of machines and vDisks travel unquoted as NBD export names, on kernel command lines and in
 * URLs, so only characters that are plain in all three are let in.
 */
const NAME = /^[a-z0-9][a-z0-9._-]*$/;

export const NAME_RULE = `1 to ${MAX_NAME_LENGTH} of a-z, 0-9, '.', '_' and '-', starting with a letter or digit`;

export function isName(value: string): boolean {
  return value.length <= MAX_NAME_LENGTH && NAME.test(value);
}

/** @throws Fault INVALID_INPUT */
export function parseName(value: string, field: string): string {
  if (isName(value)) return value;
  throw new Fault('INVALID_INPUT', `${field} is not a usable name`, {
    field,
    value,
    expected: NAME_RULE,
  });
}
