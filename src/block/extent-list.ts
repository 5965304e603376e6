import type { Extent, ExtentKind } from './block-device.ts';

/**
 * Appends to a list in which neighbours differ in kind: lengthens the last extent where the kind is
 * the same.
 * @returns false when the list is full (`limit` extents) and the piece was not taken.
 */
export function appendExtent(
  list: Extent[],
  offset: number,
  length: number,
  kind: ExtentKind,
  limit: number,
): boolean {
  const last = list.at(-1);
  if (last !== undefined && last.kind === kind) {
    list[list.length - 1] = { offset: last.offset, length: last.length + length, kind };
    return true;
  }
  if (list.length >= limit) return false;
  list.push({ offset, length, kind });
  return true;
}
