import type { Extent, ExtentKind } from '../block/index.ts';
import { NBD_STATE_HOLE, NBD_STATE_ZERO } from './wire/constants.ts';
import type { StatusExtent } from './wire/index.ts';

/** base:allocation of each kind of extent. Total: a new kind must be mapped here. */
const STATE: Readonly<Record<ExtentKind, number>> = {
  data: 0,
  zero: NBD_STATE_ZERO,
  hole: NBD_STATE_HOLE | NBD_STATE_ZERO,
};

/** Descriptors for a reply: never beyond the range asked for, at most `limit`, neighbours differ. */
export function statusExtents(
  extents: readonly Extent[],
  length: number,
  limit: number,
): StatusExtent[] {
  const status: { length: number; flags: number }[] = [];
  let left = length;
  for (const extent of extents) {
    if (left === 0) break;
    const size = Math.min(extent.length, left);
    const flags = STATE[extent.kind];
    const before = status.at(-1);
    if (before !== undefined && before.flags === flags) before.length += size;
    else if (status.length === limit) break;
    else status.push({ length: size, flags });
    left -= size;
  }
  return status;
}
