import { Fault } from '../../errors/index.ts';
import { MAX_QUOTA_BYTES, MIN_QUOTA_BYTES } from '../limits.ts';
import { parseByteSize } from './byte-size.ts';

/** A machine's write-cache quota in bytes; undefined (given as null) for none. */
export function parseQuota(value: string | number | null, field: string): number | undefined {
  if (value === null) return undefined;
  const bytes = parseByteSize(value, field);
  if (bytes < MIN_QUOTA_BYTES || bytes > MAX_QUOTA_BYTES) {
    throw new Fault('INVALID_INPUT', `${field} is out of range`, {
      field,
      value,
      expected: `at least ${MIN_QUOTA_BYTES} bytes (one block) and at most 1 PiB`,
    });
  }
  return bytes;
}
