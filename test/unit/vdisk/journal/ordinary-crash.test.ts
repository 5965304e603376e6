/**
 * A host dies, and its disk keeps of every sector that was not synced whatever it likes. Every flush that was
 * acknowledged is there; and nothing of it is ever called damaged, for then a healthy disk would be refused.
 */
import { expect, test } from 'vitest';
import {
  FlushJournal,
  JOURNAL_SEGMENT_LEAST_BYTES,
  type JournalDamage,
  type JournalUser,
  readRecords,
  readSegmentHeader,
  readWithoutHeader,
} from '../../../../src/vdisk/journal/index.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { VolatileDevice, VolatileDisk } from '../../../support/volatile-device.ts';
import { record } from './records.ts';

const CRASHES = 20;
/** Flushes of one life at the most: enough for both segments to be used again. */
const FLUSHES = 80;

test('is never taken for damage, and loses nothing that was acknowledged', async () => {
  const random = seededRandom();
  let turnedOver = 0;
  for (let crash = 0; crash < CRASHES; crash += 1) {
    const disks = [0, 1].map(() => new VolatileDisk(JOURNAL_SEGMENT_LEAST_BYTES));
    const devices = disks.map((disk) => new VolatileDevice(disk, random));
    const [first, second] = devices;
    if (first === undefined || second === undefined) throw new Error('no devices');
    const stopped: unknown[] = [];
    const journal = new FlushJournal({
      ...{ segments: [first, second], bootId: 'boot' },
      onStopped: (error) => stopped.push(error),
    });
    /** Flushes that were acknowledged, and not checkpointed. */
    const needed = new Set<number>();
    const user: JournalUser = {
      key: 'overlay',
      checkpoint: async () => {
        const before = [...needed];
        turnedOver += 1;
        await eventLoopTurns(1 + Math.floor(random() * 3));
        for (const sequence of before) needed.delete(sequence);
      },
    };
    while (journal.append(user, record(0, 8)) === false) await eventLoopTurns(1);
    const life = 1 + Math.floor(random() * FLUSHES);
    for (let sequence = 1; sequence <= life; ) {
      const count = 1 + Math.floor(random() * 4);
      const appended = Array.from({ length: count }, async () => {
        const mine = sequence++;
        const bytes = 1 + Math.floor(random() * (random() < 0.3 ? 9000 : 240_000));
        if (await journal.append(user, record(mine, bytes))) needed.add(mine);
      });
      // The last of them are on their way when the host dies.
      if (sequence > life) await eventLoopTurns(Math.floor(random() * 4));
      else await Promise.all(appended);
    }
    expect(stopped).toEqual([]);
    const acknowledged = [...needed];
    for (const device of devices) device.kill();
    for (const disk of disks) disk.powerLoss(random, random());
    const found = new Set<number>();
    const damages: JournalDamage[] = [];
    for (const disk of disks) {
      const header = await readSegmentHeader(disk.cache);
      if (header === undefined) {
        expect(await readWithoutHeader(disk.cache), `seed ${SEED}`).toBeUndefined();
        continue;
      }
      const damaged = (damage: JournalDamage): void => void damages.push(damage);
      for await (const { sequence } of readRecords(disk.cache, header, damaged))
        found.add(sequence);
    }
    expect(damages, `seed ${SEED}, crash ${crash}`).toEqual([]);
    expect(
      acknowledged.filter((sequence) => !found.has(sequence)),
      `seed ${SEED}`,
    ).toEqual([]);
  }
  expect(turnedOver).toBeGreaterThan(10);
});
