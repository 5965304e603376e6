/** The summary of touched map pages: what it saves, and when it is not believed. */
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type BlockDevice, FaultyDevice, PLAIN, ZeroDevice } from '../../../../src/block/index.ts';
import { recoverOverlay } from '../../../../src/vdisk/index.ts';
import {
  BOOT_RECORD_OFFSET,
  mapGeometry,
  SUMMARY_OFFSET,
} from '../../../../src/vdisk/overlay/map-layout.ts';
import { OverlayState } from '../../../../src/vdisk/overlay/overlay-state.ts';
import { handle, openFresh, overlayVolumes, reopen } from '../../../support/overlays.ts';
import { expectFound, foundBy } from '../../../support/scan-maps.ts';

const GIB = 2 ** 30;
const BLOCK = 4096;
const PAGE = 4096;
/** The disk that one page of the map describes. */
const PAGE_SPAN = 128 * 2 ** 20;
const UNIT = 64 * 1024;

/** The boot record as programs without a summary wrote it. */
function oldBootRecord(bootId: string): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.writeUInt32LE(bootId.length, 0);
  bytes.write(bootId, 4);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 508)), 508);
  return bytes;
}

/** Counts the bytes of the maps that are read. */
function counting(map: BlockDevice): { device: BlockDevice; bytes: () => number } {
  let bytes = 0;
  const device = new FaultyDevice(handle(map), ({ operation, length, offset }) => {
    if (operation === 'read' && offset >= 2 * PAGE) bytes += length;
    return undefined;
  });
  return { device, bytes: () => bytes };
}

const recoverAs = (map: BlockDevice, size: number, bootId = 'boot-1') =>
  recoverOverlay({ map, size, bootId, quotaBytes: undefined, workers: 1 });

describe('the summary', () => {
  const size = 40 * GIB;

  test('makes opening cost what was touched', async () => {
    const { device, map } = await openFresh({ base: new ZeroDevice(size) });
    await device.write(Buffer.alloc(BLOCK, 1), 3 * PAGE_SPAN, PLAIN);
    await device.write(Buffer.alloc(2 * BLOCK, 1), 9 * PAGE_SPAN - BLOCK, PLAIN);
    const { device: counted, bytes } = counting(map);
    const state = new OverlayState(await recoverAs(counted, size));
    expect(state.ownedBlocks).toBe(3);
    expect(bytes()).toBe(3 * 2 * PAGE);
  });

  test('is made for a map of before, once', async () => {
    const { device, map } = await openFresh({ base: new ZeroDevice(size) });
    await device.write(Buffer.alloc(BLOCK, 1), 7 * PAGE_SPAN, PLAIN);
    await device.flush();
    await device.write(Buffer.alloc(BLOCK, 1), 90 * PAGE_SPAN, PLAIN);
    await map.write(oldBootRecord('boot-1'), BOOT_RECORD_OFFSET, PLAIN);
    await map.write(Buffer.alloc(3584), SUMMARY_OFFSET, PLAIN);
    const first = counting(map);
    const wanted = foundBy(await recoverAs(first.device, size));
    expect(wanted.owned).toBe(2);
    expect(first.bytes()).toBeGreaterThan(2 * mapGeometry(size).ownedPages * PAGE);
    const second = counting(map);
    expectFound(await recoverAs(second.device, size), wanted);
    expect(second.bytes()).toBe(2 * 2 * PAGE);
  });

  test('is not believed in another boot, nor when the boot record is damaged', async () => {
    for (const damage of ['boot', 'record'] as const) {
      const { device, map } = await openFresh({ base: new ZeroDevice(size) });
      await device.write(Buffer.alloc(BLOCK, 1), 7 * PAGE_SPAN, PLAIN);
      await device.flush();
      // As if the sector had not reached the disk when the host died.
      await map.write(Buffer.alloc(3584), SUMMARY_OFFSET, PLAIN);
      if (damage === 'record') await map.write(Buffer.alloc(4), BOOT_RECORD_OFFSET, PLAIN);
      const state = await recoverAs(map, size, damage === 'boot' ? 'boot-2' : 'boot-1');
      expect(new OverlayState(state).ownedBlocks, damage).toBe(1);
    }
  });

  test('promises nothing to a program that does not know of it', async () => {
    const { map } = await overlayVolumes(size);
    const record = Buffer.alloc(512);
    map.read(record, BOOT_RECORD_OFFSET);
    // Such a program took a length beyond this for damage, and read the durable map.
    expect(record.readUInt32LE(0)).toBeGreaterThan(64);
  });

  test('that cannot be written keeps the block from being owned', async () => {
    const { data, map } = await overlayVolumes(size);
    let failing = true;
    const faulty = new FaultyDevice(handle(map), ({ operation, offset }) =>
      failing && operation === 'write' && offset >= SUMMARY_OFFSET && offset < 2 * PAGE
        ? { errno: 'EIO' }
        : undefined,
    );
    const base = new ZeroDevice(size);
    const { device } = await reopen({ base, data, map: faulty }, 'boot-1');
    const write = async () => device.write(Buffer.alloc(BLOCK, 1), 20 * GIB, PLAIN);
    await expect(write()).rejects.toMatchObject({ errno: 'EIO' });
    expect(new OverlayState(await recoverAs(map, size)).ownedBlocks).toBe(0);
    failing = false;
    await write();
    expect(new OverlayState(await recoverAs(map, size)).ownedBlocks).toBe(1);
  });

  test('has room for the largest disk', () => {
    for (const bytes of [1, UNIT, 100 * GIB, 2048 * GIB, 4096 * GIB]) {
      const { groups, groupPages, ownedPages, zeroedPages } = mapGeometry(bytes);
      expect(groups).toBeLessThanOrEqual(3584 * 8);
      expect(groups * groupPages).toBeGreaterThanOrEqual(ownedPages + zeroedPages);
    }
    expect(mapGeometry(100 * GIB).groupPages).toBe(1);
  });
});
