/** Which mark counts, whatever the death of the host did to the one that was being written. */
import { describe, expect, test } from 'vitest';
import { FaultyDevice, MemoryDevice, PLAIN } from '../../../../src/block/index.ts';
import {
  newIncarnation,
  readDurableMark,
  readJournalMark,
  writeJournalMark,
} from '../../../../src/vdisk/overlay/journal-mark.ts';
import { seededRandom } from '../../../support/seed.ts';
import { VolatileDevice, VolatileDisk } from '../../../support/volatile-device.ts';

const SIZE = 64 * 1024;
/** The copies: 512 bytes each. */
const COPIES = [1024, 1536] as const;
const incarnation = 0xfedcba9876543210n;

describe('the journal mark', () => {
  test('is none on a map that was never given one', async () => {
    expect(await readJournalMark(new MemoryDevice({ size: SIZE }))).toBeUndefined();
    expect(await readDurableMark(new MemoryDevice({ size: SIZE }))).toBeUndefined();
  });

  test('is the one with the larger sequence, in either copy', async () => {
    const map = new MemoryDevice({ size: SIZE });
    for (let sequence = 0; sequence < 6; sequence++) {
      await writeJournalMark(map, { incarnation, sequence }, sequence + 1);
      const copy = (sequence + 1) % 2;
      expect(await readJournalMark(map)).toEqual({ incarnation, sequence, copy });
    }
    const large = { incarnation, sequence: Number.MAX_SAFE_INTEGER };
    await writeJournalMark(map, large, 7);
    expect(await readJournalMark(map)).toEqual({ ...large, copy: 1 });
  });

  test('torn at any byte, or with any byte changed, leaves the one before', async () => {
    const map = new MemoryDevice({ size: SIZE });
    await writeJournalMark(map, { incarnation, sequence: 7 }, 0);
    await writeJournalMark(map, { incarnation: newIncarnation(), sequence: 2 }, 1);
    const before = Buffer.alloc(512);
    map.read(before, COPIES[1]);
    await writeJournalMark(map, { incarnation, sequence: 8 }, 1);
    const after = Buffer.alloc(512);
    map.read(after, COPIES[1]);
    for (let at = 0; at < 512; at++) {
      const torn = Buffer.concat([after.subarray(0, at), before.subarray(at)]);
      map.write(torn, COPIES[1], PLAIN);
      const mark = await readJournalMark(map);
      // What is left of the older mark in the same copy may still be whole.
      expect([7, 8]).toContain(mark?.sequence);
      if (mark?.sequence === 8) expect(torn.equals(after)).toBe(true);
      const changed = Buffer.from(after);
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      map.write(changed, COPIES[1], PLAIN);
      expect((await readJournalMark(map))?.sequence, `byte ${at}`).toBe(7);
    }
  });

  test('that was read as durable is there after the death of the host', async () => {
    const random = seededRandom();
    for (const durable of [false, true]) {
      const disk = new VolatileDisk(SIZE);
      const map = new VolatileDevice(disk, random);
      await writeJournalMark(map, { incarnation, sequence: 1 }, 0);
      await map.flush();
      await writeJournalMark(map, { incarnation, sequence: 2 }, 1);
      expect((await (durable ? readDurableMark : readJournalMark)(map))?.sequence).toBe(2);
      disk.powerLoss(random, 0);
      expect((await readJournalMark(map))?.sequence).toBe(durable ? 2 : 1);
    }
  });

  test('is not taken for durable when the map cannot be synced', async () => {
    const memory = new MemoryDevice({ size: SIZE });
    await writeJournalMark(memory, { incarnation, sequence: 1 }, 0);
    const map = new FaultyDevice(memory, ({ operation }) =>
      operation === 'flush' ? { errno: 'EIO' } : undefined,
    );
    await expect(readDurableMark(map)).rejects.toMatchObject({ errno: 'EIO' });
  });
});
