import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PLAIN, PLAIN_ZERO } from '../../../../src/block/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { overlayChanges } from '../../../../src/vdisk/index.ts';
import {
  type BenchOverlay,
  type BenchVersion,
  expectSame,
  type LayerBench,
  memoryBench,
} from '../../../support/layer-bench.ts';
import type { MemoryRepository } from '../../../support/memory-repository.ts';
import { SECTOR, writeMbr } from '../boot-files/disks.ts';

const BLOCK = 4096;
const CHUNK = 64 * 1024;
const SIZE = 128 * CHUNK;
/** Sectors: the second partition begins in the middle of a block. */
const FIRST = { start: 128, count: 1280 };
const SECOND = { start: 1412, count: 12_000 };

let bench: LayerBench;
let memory: MemoryRepository;
let base: BenchVersion;
beforeEach(async () => {
  ({ bench, memory } = await memoryBench());
  const content = Buffer.alloc(SIZE);
  content.fill(1, 64 * CHUNK, 100 * CHUNK);
  writeMbr(content, 0, [
    { slot: 0, type: 0x83, first: FIRST.start, count: FIRST.count },
    { slot: 1, type: 0x83, first: SECOND.start, count: SECOND.count },
  ]);
  base = await bench.import(content);
});
afterEach(async () => {
  expect(memory.open).toBe(0);
  await bench.close();
});

const changesOf = (opened: BenchOverlay, bootId = 'boot-1') =>
  overlayChanges({ ...opened.overlay, bootId }, base.chain, bench.work());

describe('the changes of an overlay', () => {
  it('are none at first', async () => {
    const opened = await bench.overlay(base);
    await opened.device.close();
    expect(await changesOf(opened)).toEqual({
      size: SIZE,
      ownedBytes: 0,
      zeroedBytes: 0,
      changedChunks: 0,
      presentChunks: 37,
      partitions: [
        {
          number: 1,
          name: 'p1',
          start: FIRST.start * SECTOR,
          size: FIRST.count * SECTOR,
          changedBytes: 0,
        },
        {
          number: 2,
          name: 'p2',
          start: SECOND.start * SECTOR,
          size: SECOND.count * SECTOR,
          changedBytes: 0,
        },
      ],
    });
  });

  it('are counted by block, chunk and partition', async () => {
    const opened = await bench.overlay(base);
    const { device } = opened;
    await device.write(Buffer.alloc(3 * BLOCK, 5), CHUNK, PLAIN); // in the first
    await device.write(Buffer.alloc(SECTOR, 5), SECOND.start * SECTOR, PLAIN); // a block across its start
    await device.zero(70 * CHUNK, 4 * CHUNK, PLAIN_ZERO); // in the second
    await device.write(Buffer.alloc(BLOCK, 6), 71 * CHUNK, PLAIN); // … and written since
    await device.write(Buffer.alloc(BLOCK, 7), SIZE - BLOCK, PLAIN); // in none
    await device.close();
    const changes = await changesOf(opened);
    expect(changes).toMatchObject({
      ownedBytes: 6 * BLOCK,
      zeroedBytes: 4 * CHUNK - BLOCK,
      changedChunks: 1 + 1 + 4 + 1,
      // Data where there was none, three chunks wholly zeroed.
      presentChunks: 37 + 3 - 3,
    });
    expect(changes.partitions.map(({ changedBytes }) => changedBytes)).toEqual([
      3 * BLOCK,
      BLOCK / 2 + 4 * CHUNK,
    ]);
  });

  it('are of the table that the overlay has written', async () => {
    const opened = await bench.overlay(base);
    const table = Buffer.alloc(512);
    writeMbr(table, 0, [{ slot: 2, type: 0x83, first: 64, count: 128 }]);
    await opened.device.write(table, 0, PLAIN);
    await opened.device.close();
    expect((await changesOf(opened)).partitions).toMatchObject([{ number: 3, name: 'p3' }]);
  });

  it('change nothing by being asked for, also in another boot of the host', async () => {
    const opened = await bench.overlay(base);
    await opened.device.write(Buffer.alloc(BLOCK, 5), CHUNK, PLAIN);
    await opened.device.flush();
    await opened.device.write(Buffer.alloc(BLOCK, 5), 2 * CHUNK, PLAIN);
    await opened.device.close();
    const before = await memory.snapshot();
    memory.openedForWriting.length = 0;
    expect((await changesOf(opened)).ownedBytes).toBe(2 * BLOCK);
    // What was never flushed is not believed.
    expect((await changesOf(opened, 'boot-2')).ownedBytes).toBe(BLOCK);
    expect(memory.openedForWriting).toEqual([]);
    for (const volume of memory.devices.keys()) {
      expectSame(await memory.contentOf(volume), await before.contentOf(volume), volume);
    }
  });

  it('are refused for a map of another disk', async () => {
    const opened = await bench.overlay(base);
    await opened.device.close();
    const overlay = { ...opened.overlay, size: SIZE + CHUNK };
    await expect(overlayChanges(overlay, base.chain, bench.work())).rejects.toThrow(Fault);
    expect(memory.open).toBe(0);
  });
});
