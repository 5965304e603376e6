/** Windows of a disk that is exported: the next one is read while somebody takes this one away. */
import type { ReadableBlockDevice } from '../../block/index.ts';
import { loadAhead } from '../../vdisk/index.ts';
import type { BlockSet } from './block-set.ts';
import { readDisk } from './export-source.ts';
import { EXPORT_WINDOW_BYTES } from './limits.ts';
import { windowsOf } from './survey.ts';

export interface DiskWindow {
  readonly offset: number;
  /** A whole window: zeroes beyond the end of the disk. */
  readonly bytes: Buffer;
}

/**
 * The windows that hold any of the blocks, in order.
 * @throws BlockError
 */
export function diskWindows(
  device: ReadableBlockDevice,
  blocks: BlockSet,
): AsyncGenerator<DiskWindow, void> {
  return loadAhead(offsetsOf(blocks, device.geometry.size), async (offset) => {
    const bytes = Buffer.allocUnsafeSlow(EXPORT_WINDOW_BYTES);
    await readDisk(device, bytes, offset);
    return { offset, bytes };
  });
}

async function* offsetsOf(blocks: BlockSet, size: number): AsyncGenerator<number, void> {
  yield* windowsOf(blocks, size);
}
