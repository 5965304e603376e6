/** What an overlay costs in memory: shared by all workers, whatever is written to it. */
import { expect, test } from 'vitest';
import { MemoryDevice, PLAIN } from '../../../../src/block/index.ts';
import { formatOverlay, overlayMapBytes, recoverOverlay } from '../../../../src/vdisk/index.ts';
import { BOOT_RECORD_OFFSET, mapGeometry } from '../../../../src/vdisk/overlay/map-layout.ts';

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

test.each([0, 64])(
  'an opened overlay of 100 GiB with %i map pages in use costs those pages and little else',
  async (pages) => {
    const size = 100 * GIB;
    const page = 4096;
    const { liveOffset, durableOffset, ownedPages } = mapGeometry(size);
    const map = new MemoryDevice({ size: overlayMapBytes(size) });
    await formatOverlay(map, { size, bootId: 'boot' });
    for (let each = 0; each < pages; each++) {
      const at = Math.floor((each * ownedPages) / pages) * page;
      map.write(Buffer.alloc(page, 0x11), liveOffset + at, PLAIN);
      map.write(Buffer.alloc(page, 0x11), durableOffset + at, PLAIN);
    }
    map.write(Buffer.alloc(512), BOOT_RECORD_OFFSET, PLAIN);
    const options = { map, size, bootId: 'boot', quotaBytes: undefined, workers: 2 };
    await recoverOverlay(options); // finds the pages and makes their summary
    const count = 200;
    const before = process.memoryUsage().rss;
    const states: SharedArrayBuffer[] = [];
    for (let each = 0; each < count; each++) states.push(await recoverOverlay(options));
    const each = (process.memoryUsage().rss - before) / count;
    // The heap may grow meanwhile; pages that are touched for nothing would cost megabytes.
    expect(each).toBeLessThan(pages * page + 160 * 1024);
    expect(states).toHaveLength(count);
    await map.close();
  },
);
