import type { Extent, ReadableBlockDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { EXTENTS_AT_ONCE } from './limits.ts';

/**
 * What a device says of a range, answer by answer, in order; `start` is less than `end`.
 * @throws BlockError, also when the device does not go on
 */
export async function* extentsIn(
  device: ReadableBlockDevice,
  start: number,
  end: number,
): AsyncGenerator<readonly Extent[]> {
  for (let at = start; at < end; ) {
    const extents = await device.extents(at, end - at, EXTENTS_AT_ONCE);
    const last = extents.at(-1);
    if (last === undefined || last.offset + last.length <= at) {
      throw new BlockError('EIO', 'extents', at, end - at, 'the device does not go on');
    }
    yield extents;
    at = last.offset + last.length;
  }
}
