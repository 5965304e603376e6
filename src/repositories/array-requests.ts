/** What every adapter checks in a request before it asks its array, so that all say it in the same words. */
import { MAXIMUM_DEVICE_BYTES } from '../block/index.ts';
import { ArrayError } from '../errors/index.ts';
import type { ArrayLimits, Page } from './array-control.ts';

/** No path, no option, no word of a shell, and no mark that an array puts between names. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** @throws ArrayError INVALID_ARGUMENT */
export function checkArrayName(name: string, limits: Pick<ArrayLimits, 'nameLength'>): void {
  if (name.length <= limits.nameLength && NAME.test(name)) return;
  throw new ArrayError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(name)} cannot be a name on this array`,
    {
      field: 'name',
      value: name,
      expected: `1 to ${limits.nameLength} letters, digits, '.', '_' or '-', not first a mark`,
    },
  );
}

/**
 * @param size bytes, as asked for
 * @returns what the volume will have
 * @throws ArrayError OUT_OF_RANGE
 */
export function roundedSize(size: number, limits: ArrayLimits): number {
  const { sizeGranularity, sizeMinimum } = limits;
  const maximum = Math.min(limits.sizeMaximum, MAXIMUM_DEVICE_BYTES);
  if (Number.isSafeInteger(size) && size >= 1 && size <= maximum) {
    const rounded = Math.ceil(size / sizeGranularity) * sizeGranularity;
    if (rounded <= maximum) return Math.max(rounded, sizeMinimum);
  }
  throw new ArrayError('OUT_OF_RANGE', `a volume of this array cannot have ${size} bytes`, {
    field: 'size',
    value: size,
    expected: `1 to ${maximum}`,
  });
}

/** @throws ArrayError SHRINK_REFUSED */
export function checkGrows(wanted: number, current: number): void {
  if (wanted >= current) return;
  throw new ArrayError('SHRINK_REFUSED', `a volume of ${current} bytes is not made smaller`, {
    field: 'size',
    value: wanted,
    expected: `at least ${current}`,
  });
}

/** @throws ArrayError CANCELLED */
export function checkNotCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new ArrayError('CANCELLED', 'the call was given up');
}

const CURSOR = 'after:';

/**
 * A page of a list that is sorted by id. The cursor names the last item, so that what is made or deleted meanwhile
 * neither hides nor repeats another.
 * @throws ArrayError CURSOR_EXPIRED
 */
export function pageAfter<T>(
  sorted: readonly T[],
  idOf: (item: T) => string,
  cursor: string | undefined,
  limit: number,
): Page<T> {
  if (cursor !== undefined && !cursor.startsWith(CURSOR)) {
    throw new ArrayError('CURSOR_EXPIRED', 'the list does not go on from there', { value: cursor });
  }
  const after = cursor?.slice(CURSOR.length);
  const rest = after === undefined ? sorted : sorted.filter((item) => idOf(item) > after);
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  const more = rest.length > limit && last !== undefined;
  return { items, cursor: more ? CURSOR + idOf(last) : undefined };
}
