/** What an overlay costs in memory: shared by all workers, whatever is written to it. */
import { expect, test } from 'vitest';
import { MemoryDevice } from '../../../../src/block/index.ts';
import { formatOverlay, overlayMapBytes, recoverOverlay } from '../../../../src/vdisk/index.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

test.each([
  ['100 GiB', 100 * GIB, 4 * MIB],
  ['2 TiB', 2048 * GIB, 80 * MIB],
])(
  'the metadata of a disk of %s is within its bound, and hardly there while untouched',
  async (_name, size, bound) => {
    const map = new MemoryDevice({ size: overlayMapBytes(size) });
    await formatOverlay(map, { size, bootId: 'boot' });
    const before = process.memoryUsage().rss;
    const state = await recoverOverlay({
      map,
      size,
      bootId: 'boot',
      quotaBytes: undefined,
      workers: 2,
    });
    expect(state.byteLength).toBeLessThan(bound);
    // One bit for each block of 4 KiB is the least that can know whose it is.
    expect(state.byteLength).toBeGreaterThan(size / 4096 / 8);
    // Zero pages that nobody wrote to are not resident.
    expect(process.memoryUsage().rss - before).toBeLessThan(state.byteLength / 2 + 8 * MIB);
    await map.close();
  },
);
