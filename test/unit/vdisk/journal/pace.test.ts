/** What the flush journal does when, so that few syncs serve many flushes. */
import { describe, expect, test } from 'vitest';
import type { FaultPlan } from '../../../../src/block/index.ts';
import { JOURNAL_FILL_BYTES, JOURNAL_PIECE_BYTES } from '../../../../src/vdisk/journal/limits.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { rig, user } from './journal-rig.ts';
import { record } from './records.ts';

describe('the flush journal', () => {
  test('on a slow disk waits a moment for those whom it has just answered', async () => {
    const [first, last] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const gates = [first];
    let clock = 0;
    const hold: FaultPlan = ({ operation }) =>
      operation === 'flush' && armed ? { delay: (gates.shift() ?? last).promise } : undefined;
    let armed = false;
    const { append, trace } = await rig({ plan: () => hold, now: () => clock });
    armed = true;
    const two = [1, 2].map((sequence) => append(user(), record(sequence, 4096)));
    await eventLoopTurns(3);
    const third = append(user(), record(3, 4096));
    clock += 1000;
    first.resolve();
    expect(await Promise.all(two)).toEqual([true, true]);
    const again = [4, 5].map((sequence) => append(user(), record(sequence, 4096)));
    last.resolve();
    expect(await Promise.all([third, ...again])).toEqual([true, true, true]);
    expect(trace.map(({ operation }) => operation)).toEqual(['write', 'flush', 'write', 'flush']);
  });

  test('does not wait for ever for those who do not come back', async () => {
    const gate = Promise.withResolvers<void>();
    let clock = 0;
    let armed = false;
    const hold: FaultPlan = ({ operation }) =>
      operation === 'flush' && armed ? { delay: gate.promise } : undefined;
    const { append, trace } = await rig({ plan: () => hold, now: () => clock });
    armed = true;
    const first = [1, 2].map((sequence) => append(user(), record(sequence, 4096)));
    await eventLoopTurns(3);
    const third = append(user(), record(3, 4096));
    clock += 1000;
    gate.resolve();
    expect(await Promise.all([...first, third])).toEqual([true, true, true]);
    expect(trace.map(({ operation }) => operation)).toEqual(['write', 'flush', 'write', 'flush']);
  });

  test('gives its segments more space in a few large steps', async () => {
    const setup = await rig({ size: 64 * 2 ** 20 });
    const batches = 120;
    for (let sequence = 1; sequence <= batches; sequence += 1) {
      expect(await setup.append(user(), record(sequence, 256 * 1024 - 4096))).toBe(true);
    }
    await eventLoopTurns(20);
    const writes = setup.trace.filter(({ operation }) => operation === 'write');
    const zeroes = writes.filter(({ length }) => length === JOURNAL_PIECE_BYTES);
    // From 16 MiB, of which the rig has used a little, to 64 in each segment.
    expect(zeroes).toHaveLength(2 * 48);
    const syncs = setup.trace.filter(({ operation }) => operation === 'flush').length - batches;
    expect(syncs).toBe((2 * 48 * 2 ** 20) / JOURNAL_FILL_BYTES);
  });
});
