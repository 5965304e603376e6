/** An overlay that nobody has open: made durable, and looked at. */
import { describe, expect, test } from 'vitest';
import {
  type BlockDevice,
  FaultyDevice,
  MemoryDevice,
  PLAIN,
  PLAIN_ZERO,
} from '../../../../src/block/index.ts';
import { settleOverlay } from '../../../../src/vdisk/index.ts';
import { readOverlayMap } from '../../../../src/vdisk/overlay/index.ts';
import { readJournalMark } from '../../../../src/vdisk/overlay/journal-mark.ts';
import { OverlayState } from '../../../../src/vdisk/overlay/overlay-state.ts';
import { handle, openFresh, overlayVolumes, reopen } from '../../../support/overlays.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';

const BLOCK = 4096;
const UNIT = 64 * 1024;
/** The bits of the last block and unit are not the last of their bytes. */
const SIZE = 20 * UNIT + 3 * BLOCK + 512;

const bootRecord = (map: MemoryDevice): Buffer => {
  const bytes = Buffer.alloc(512);
  map.read(bytes, BLOCK);
  return bytes;
};

describe('settling', () => {
  test('is refused while the journal alone has flushed writes, and leaves them to it', async () => {
    const base = new MemoryDevice({ size: SIZE });
    const { data, map } = await overlayVolumes(SIZE);
    const broken = new FaultyDevice(handle(data), ({ operation }) =>
      operation === 'flush' ? { errno: 'EIO' } : undefined,
    );
    const { device } = await openFresh({ base, data: broken, map });
    await device.write(Buffer.alloc(BLOCK, 1), 0, PLAIN);
    await expect(async () => device.flush()).rejects.toThrow('EIO');
    await device.close();
    expect(bootRecord(map).every((byte) => byte === 0)).toBe(true);
    const overlay = { map, data, size: SIZE, bootId: 'boot-1' };
    // Three flushes went through the journal since the last checkpoint.
    await expect(settleOverlay({ ...overlay, journalled: 3 })).rejects.toThrow('journal');
    expect((await readJournalMark(map))?.sequence).toBe(0);
    expect(bootRecord(map).every((byte) => byte === 0)).toBe(true);
    // None did: there is nothing that could be lost by it.
    await settleOverlay({ ...overlay, journalled: 0 });
    const again = await reopen({ base, data, map }, 'boot-1');
    const block = Buffer.alloc(BLOCK, 0xee);
    await again.device.read(block, 0);
    expect(block.equals(Buffer.alloc(BLOCK))).toBe(true);
    await again.device.close();
  });

  test('makes what was acknowledged durable, and notes that the journal is not needed', async () => {
    const base = new MemoryDevice({ size: SIZE });
    const { device, data, map } = await openFresh({ base });
    await device.write(Buffer.alloc(BLOCK, 1), 0, PLAIN);
    await device.close();
    await settleOverlay({ map, data, size: SIZE, bootId: 'boot-1', journalled: 3 });
    expect((await readJournalMark(map))?.sequence).toBe(3);
    const next = await reopen({ base, data, map }, 'boot-2');
    const block = Buffer.alloc(BLOCK);
    await next.device.read(block, 0);
    expect(block.equals(Buffer.alloc(BLOCK, 1))).toBe(true);
    await next.device.close();
  });
});

describe('reading the map of an overlay', () => {
  test(`finds what recovery finds, and writes nothing (seed ${SEED})`, async () => {
    const random = seededRandom();
    const base = new MemoryDevice({ size: SIZE });
    for (let round = 0; round < 20; round++) {
      const opened = await openFresh({ base });
      for (let change = 0; change < 8; change++) {
        const at = Math.floor((random() * SIZE) / 512) * 512;
        const length = Math.min(SIZE - at, 512 * Math.ceil(random() * 400));
        if (random() < 0.5) await opened.device.write(Buffer.alloc(length, 1), at, PLAIN);
        else await opened.device.zero(at, length, PLAIN_ZERO);
        if (random() < 0.2) await opened.device.flush();
      }
      await opened.device.close();
      for (const bootId of ['boot-1', 'boot-2']) {
        const before = contentOf(opened.map);
        const found = await readOverlayMap({ map: opened.map, size: SIZE, bootId });
        expect(contentOf(opened.map).equals(before)).toBe(true);
        const { state } = await reopen({ ...opened, base }, bootId);
        const overlay = new OverlayState(state);
        const { blocks, units, ownedPages } = overlay.geometry;
        const owned = Buffer.alloc(Math.ceil(blocks / 8));
        overlay.copyMap(owned, 0);
        const zeroed = Buffer.alloc(Math.ceil(units / 8));
        overlay.copyMap(zeroed, ownedPages * 4096);
        expect([...found.owned]).toEqual([...owned]);
        expect([...found.zeroed]).toEqual([...zeroed]);
      }
    }
  });

  test('is refused where there is none, or one of another disk', async () => {
    const { map } = await overlayVolumes(SIZE);
    const other = readOverlayMap({ map, size: SIZE + UNIT, bootId: 'boot-1' });
    await expect(other).rejects.toThrow('EINVAL');
    const empty = new MemoryDevice({ size: map.geometry.size });
    const none = readOverlayMap({ map: empty, size: SIZE, bootId: 'boot-1' });
    await expect(none).rejects.toThrow('EINVAL');
  });
});

function contentOf(map: Pick<BlockDevice, 'geometry' | 'read'>): Buffer {
  const content = Buffer.alloc(map.geometry.size);
  map.read(content, 0);
  return content;
}
