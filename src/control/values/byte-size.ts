import { Fault } from '../../errors/index.ts';
import { MAX_SIZE_TEXT_LENGTH } from '../limits.ts';

const SIZE = /^([0-9]+) ?(?:([kmgtp])(?:i?b)?|b)?$/i;

const UNITS: Readonly<Record<string, number>> = {
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  p: 2 ** 50,
};

export const SIZE_RULE =
  'bytes, or a whole number with K, M, G, T or P (KiB … PiB: powers of 1024)';

/**
 * A number of bytes from `512`, `64K` or `10GiB`. Units are powers of 1024 however they are spelt,
 * as in qemu-img and LVM; nobody buys a cache quota in decimal gigabytes.
 * @throws Fault INVALID_INPUT
 */
export function parseByteSize(value: string | number, field: string): number {
  const bytes = typeof value === 'number' ? value : bytesOf(value);
  if (bytes === undefined || !Number.isSafeInteger(bytes) || bytes < 0) {
    throw new Fault('INVALID_INPUT', `${field} is not a size`, {
      field,
      value,
      expected: SIZE_RULE,
    });
  }
  return bytes;
}

function bytesOf(text: string): number | undefined {
  if (text.length > MAX_SIZE_TEXT_LENGTH) return undefined;
  const match = SIZE.exec(text);
  if (match === null) return undefined;
  const unit = match[2]?.toLowerCase();
  return Number(match[1]) * (unit === undefined ? 1 : (UNITS[unit] ?? Number.NaN));
}
