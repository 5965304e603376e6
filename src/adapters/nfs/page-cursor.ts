import { ArrayError } from '../../errors/index.ts';

/** A page goes on behind a name: names that come and go meanwhile do not matter. */
const CURSOR_PREFIX = 'after/';

export function cursorBehind(name: string): string {
  return CURSOR_PREFIX + name;
}

/** @throws ArrayError CURSOR_EXPIRED */
export function nameOfCursor(cursor: string): string {
  if (cursor.startsWith(CURSOR_PREFIX)) return cursor.slice(CURSOR_PREFIX.length);
  throw new ArrayError('CURSOR_EXPIRED', 'no page ends there');
}
