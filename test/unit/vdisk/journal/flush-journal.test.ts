/** Many flushes, one sync; and a journal that fails is no journal, never a lost flush. */
import { describe, expect, test } from 'vitest';
import { type FaultPlan, MemoryDevice } from '../../../../src/block/index.ts';
import {
  FlushJournal,
  JOURNAL_SEGMENT_LEAST_BYTES,
  type JournalUser,
} from '../../../../src/vdisk/journal/index.ts';
import {
  CHECKPOINTS_AT_ONCE,
  JOURNAL_BATCH_BYTES,
  JOURNAL_PAGE_BYTES,
} from '../../../../src/vdisk/journal/limits.ts';
import { eventLoopTurns } from '../../../support/content.ts';
import { type Rig, rig, SIZE, user } from './journal-rig.ts';
import { record } from './records.ts';

/** A record that needs 65 pages, of the 512 of a segment. */
const BIG = 256 * 1024;
/** So many of 64 pages leave no room for another: behind the header and a small record, … */
const FRESH = 7;
/** … and behind the header and a BIG one. */
const BEGUN = 6;

/** Appends so many records of 64 pages. @returns the last sequence */
async function fill(setup: Rig, by: JournalUser, from: number, count: number): Promise<number> {
  for (let sequence = from; sequence < from + count; sequence++) {
    expect(await setup.append(by, record(sequence, BIG - 4096))).toBe(true);
  }
  return from + count - 1;
}

describe('the flush journal', () => {
  test('answers no until its segments have their space, and then yes', async () => {
    const { journal, trace } = await rig({ prepared: false });
    expect(trace).toEqual([]);
    expect(journal.append(user(), record(1, 4096))).toBe(false);
    await eventLoopTurns(10);
    expect(trace.filter(({ operation }) => operation === 'flush')).toHaveLength(2);
    for (const segment of [0, 1]) {
      const writes = trace.filter((each) => each.segment === segment && each.operation === 'write');
      expect(writes.reduce((sum, { length }) => sum + length, 0)).toBe(SIZE);
    }
    expect(await journal.append(user(), record(1, 4096))).toBe(true);
  });

  test('makes what arrives in one turn durable with one write and one flush', async () => {
    const { append, trace, found } = await rig();
    const answers = await Promise.all(
      Array.from({ length: 32 }, (_, index) => append(user(), record(index + 1, 4096))),
    );
    expect(answers.every((durable) => durable)).toBe(true);
    expect(trace.map(({ operation }) => operation)).toEqual(['write', 'flush']);
    expect((await found())[0]).toEqual(Array.from({ length: 33 }, (_, index) => index));
  });

  test('makes what arrives while it syncs durable with the next sync', async () => {
    const gate = Promise.withResolvers<void>();
    let holding = false;
    const hold: FaultPlan = ({ operation }) =>
      holding && operation === 'flush' ? { delay: gate.promise } : undefined;
    const { append, trace } = await rig({ plan: () => hold });
    holding = true;
    const first = append(user(), record(1, 4096));
    await eventLoopTurns(3);
    const later = [2, 3, 4].map((sequence) => append(user(), record(sequence, 4096)));
    await eventLoopTurns(3);
    expect(trace.map(({ operation }) => operation)).toEqual(['write', 'flush']);
    holding = false;
    gate.resolve();
    expect(await Promise.all([first, ...later])).toEqual([true, true, true, true]);
    expect(trace.map(({ operation }) => operation)).toEqual(['write', 'flush', 'write', 'flush']);
  });

  test('answers only after the flush', async () => {
    const gate = Promise.withResolvers<void>();
    let holding = false;
    const hold: FaultPlan = ({ operation }) =>
      holding && operation === 'flush' ? { delay: gate.promise } : undefined;
    const { append } = await rig({ plan: () => hold });
    holding = true;
    let answered = false;
    const answer = append(user(), record(1, 4096)).then((durable) => {
      answered = true;
      return durable;
    });
    await eventLoopTurns(20);
    expect(answered).toBe(false);
    gate.resolve();
    expect(await answer).toBe(true);
  });

  test('writes batches of limited length, each at a page of its own', async () => {
    const { append, trace } = await rig({ size: 8 * SIZE });
    const answers = await Promise.all(
      Array.from({ length: 11 }, (_, index) => append(user(), record(index + 1, BIG))),
    );
    expect(answers.every((durable) => durable)).toBe(true);
    const writes = trace.filter(({ operation }) => operation === 'write');
    expect(writes.length).toBe(4); // three of 256 KiB and a bit in each
    let end = writes[0]?.offset ?? 0;
    for (const { offset, length } of writes) {
      expect(length).toBeLessThanOrEqual(JOURNAL_BATCH_BYTES);
      expect([offset % JOURNAL_PAGE_BYTES, length % JOURNAL_PAGE_BYTES]).toEqual([0, 0]);
      expect(offset).toBe(end);
      end += length;
    }
  });

  test('refuses a record that it could not give back', async () => {
    const { journal, append, trace } = await rig();
    expect(journal.append(user(), { ...record(1, 8), key: 'x'.repeat(256) })).toBe(false);
    expect(journal.append(user(), record(1, JOURNAL_BATCH_BYTES))).toBe(false);
    expect(trace).toEqual([]);
    expect(await append(user(), record(2, 8))).toBe(true);
  });

  test('refuses segments that are too small', () => {
    const segment = new MemoryDevice({ size: JOURNAL_SEGMENT_LEAST_BYTES - 1 });
    const onStopped = (): void => {};
    expect(
      () => new FlushJournal({ segments: [segment, segment], bootId: 'boot', onStopped }),
    ).toThrow(RangeError);
  });
});

describe('a full segment', () => {
  test('is freed by checkpoints of those who have records in it, and used again', async () => {
    const setup = await rig();
    const { append, found } = setup;
    const checkpoints: string[] = [];
    const a = user(async () => void checkpoints.push('a'));
    const b = user(async () => void checkpoints.push('b'));
    expect(await append(b, record(1, 4096))).toBe(true);
    let last = await fill(setup, a, 2, FRESH);
    expect(checkpoints).toEqual([]);
    for (let turn = 0; turn < 6; turn++) {
      checkpoints.length = 0;
      expect(await append(a, record(last + 1, BIG))).toBe(true);
      await eventLoopTurns(5);
      // b has records in the first use of the first segment only.
      expect(checkpoints.sort()).toEqual(turn === 0 ? ['a', 'b'] : ['a']);
      const active = (turn + 1) % 2;
      expect((await found())[active]).toEqual([last + 1]);
      last = await fill(setup, a, last + 2, BEGUN);
    }
  });

  test('is begun anew with a header that is on disk before anything else of it', async () => {
    const setup = await rig();
    const a = user();
    await fill(setup, a, 1, FRESH);
    await eventLoopTurns(5);
    setup.trace.length = 0;
    expect(await setup.append(a, record(FRESH + 1, BIG))).toBe(true);
    const other = setup.trace.filter(({ segment }) => segment === 1);
    expect(other.map(({ operation, offset }) => [operation, offset])).toEqual([
      ['write', 0],
      ['flush', 0],
      ['write', JOURNAL_PAGE_BYTES],
      ['flush', 0],
    ]);
    expect(other[0]?.length).toBe(JOURNAL_PAGE_BYTES);
  });

  test('that is not free yet makes appends answer no, and nobody waits', async () => {
    const setup = await rig();
    const { append, found } = setup;
    const gate = Promise.withResolvers<void>();
    let checkpoints = 0;
    const slow = user(() => {
      checkpoints += 1;
      return gate.promise;
    });
    let last = await fill(setup, slow, 1, FRESH);
    expect(await append(user(), record(last + 1, BIG))).toBe(true); // in the second segment
    last = await fill(setup, user(), last + 2, BEGUN);
    const before = await found();
    expect(await append(user(), record(last + 1, BIG))).toBe(false);
    expect(await append(user(), record(last + 1, BIG))).toBe(false);
    expect(await found()).toEqual(before);
    expect(checkpoints).toBe(1);
    gate.resolve();
    await eventLoopTurns(5);
    expect(await append(user(), record(last + 1, BIG))).toBe(true);
    expect((await found())[0]).toEqual([last + 1]);
  });

  test('needs no checkpoint of an overlay that leaves before its turn', async () => {
    const setup = await rig();
    const gate = Promise.withResolvers<void>();
    const called: string[] = [];
    const b = user(async () => void called.push('b'));
    for (let index = 1; index <= CHECKPOINTS_AT_ONCE; index += 1) {
      const a = user(() => {
        called.push('a');
        return gate.promise;
      });
      expect(await setup.append(a, record(index, 8))).toBe(true);
    }
    const last = await fill(setup, b, CHECKPOINTS_AT_ONCE + 1, FRESH);
    expect(await setup.append(user(), record(last + 1, BIG))).toBe(true);
    await eventLoopTurns(3);
    setup.journal.leave(b);
    gate.resolve();
    await eventLoopTurns(5);
    expect(called).toEqual(Array.from({ length: CHECKPOINTS_AT_ONCE }, () => 'a'));
  });

  test('needs no checkpoint of an overlay that has left', async () => {
    const setup = await rig();
    let checkpoints = 0;
    const left = user(async () => {
      checkpoints += 1;
    });
    const last = await fill(setup, left, 1, FRESH);
    setup.journal.leave(left);
    expect(await setup.append(user(), record(last + 1, BIG))).toBe(true);
    await eventLoopTurns(5);
    expect(checkpoints).toBe(0);
  });

  test('whose checkpoint fails is kept as it is, and the journal stops', async () => {
    const setup = await rig();
    const { append, found, stopped } = setup;
    const failing = user(() => Promise.reject(new Error('disk')));
    let last = await fill(setup, failing, 1, FRESH);
    const [kept] = await found();
    expect(await append(user(), record(last + 1, BIG))).toBe(true);
    last = last + 1;
    await eventLoopTurns(5);
    expect(stopped).toEqual([new Error('disk')]);
    expect(await append(user(), record(last + 1, 8))).toBe(false);
    await eventLoopTurns(5);
    expect(await found()).toEqual([kept, [last]]);
    expect(stopped).toHaveLength(1);
  });
});

describe('a journal that fails', () => {
  test.each(['write', 'flush'] as const)(
    'in a %s answers no to all, once and for all',
    async (what) => {
      let failing = false;
      let hold: Promise<void> | undefined;
      const plan: FaultPlan = ({ operation }) =>
        failing && operation === what
          ? { errno: 'EIO', ...(hold === undefined ? {} : { delay: hold }) }
          : undefined;
      const { append, journal, found, stopped, trace } = await rig({ plan: () => plan });
      expect(await append(user(), record(1, 4096))).toBe(true);
      const gate = Promise.withResolvers<void>();
      hold = gate.promise;
      failing = true;
      const first = append(user(), record(2, 4096));
      await eventLoopTurns(3);
      const waiting = append(user(), record(3, 4096));
      await eventLoopTurns(3);
      gate.resolve();
      expect(await Promise.all([first, waiting])).toEqual([false, false]);
      expect(stopped).toMatchObject([{ errno: 'EIO' }]);
      failing = false;
      const before = trace.length;
      expect(journal.append(user(), record(4, 4096))).toBe(false);
      await eventLoopTurns(3);
      expect(trace).toHaveLength(before);
      expect(stopped).toHaveLength(1);
      // What was answered with yes is there.
      expect((await found())[0]?.slice(0, 2)).toEqual([0, 1]);
      await journal.close();
    },
  );

  test('while it gets its space answers no as ever', async () => {
    const full: FaultPlan = ({ operation }) =>
      operation === 'write' ? { errno: 'ENOSPC' } : undefined;
    const { journal, stopped } = await rig({ plan: () => full, prepared: false });
    expect(journal.append(user(), record(1, 8))).toBe(false);
    await eventLoopTurns(5);
    expect(stopped).toMatchObject([{ errno: 'ENOSPC' }]);
    expect(journal.append(user(), record(1, 8))).toBe(false);
    await journal.close();
  });

  test('does not wait for a queue that it does not serve any more', async () => {
    const { journal, append, stopped } = await rig();
    const answers = [1, 2, 3].map((sequence) => append(user(), record(sequence, 4096)));
    journal.stop(new Error('enough'));
    journal.stop(new Error('told already'));
    expect(await Promise.all(answers)).toEqual([false, false, false]);
    expect(stopped).toEqual([new Error('enough')]);
  });
});

describe('closing', () => {
  test('waits for what runs, which is durable', async () => {
    const gate = Promise.withResolvers<void>();
    let holding = false;
    const hold: FaultPlan = ({ operation }) =>
      holding && operation === 'flush' ? { delay: gate.promise } : undefined;
    const { journal, append, found } = await rig({ plan: () => hold });
    holding = true;
    const answers = [1, 2, 3].map((sequence) => append(user(), record(sequence, 4096)));
    let closed = false;
    const closing = journal.close().then(() => {
      closed = true;
    });
    await eventLoopTurns(10);
    expect(closed).toBe(false);
    gate.resolve();
    await closing;
    expect(await Promise.all(answers)).toEqual([true, true, true]);
    expect((await found())[0]).toEqual([0, 1, 2, 3]);
    expect(journal.append(user(), record(4, 8))).toBe(false);
  });

  test('waits for the segments that get their space', async () => {
    const gate = Promise.withResolvers<void>();
    const slow: FaultPlan = ({ operation }) =>
      operation === 'write' ? { delay: gate.promise } : undefined;
    const { journal, trace, stopped } = await rig({ plan: () => slow, prepared: false });
    expect(journal.append(user(), record(1, 8))).toBe(false);
    let closed = false;
    const closing = journal.close().then(() => {
      closed = true;
    });
    await eventLoopTurns(10);
    expect(closed).toBe(false);
    gate.resolve();
    await closing;
    // It went no further than it was.
    expect(trace.filter(({ operation }) => operation === 'write').length).toBeLessThanOrEqual(2);
    expect(stopped).toEqual([]);
  });

  test('waits for checkpoints that run', async () => {
    const setup = await rig();
    const gate = Promise.withResolvers<void>();
    const last = await fill(
      setup,
      user(() => gate.promise),
      1,
      FRESH,
    );
    expect(await setup.append(user(), record(last + 1, BIG))).toBe(true);
    let closed = false;
    const closing = setup.journal.close().then(() => {
      closed = true;
    });
    await eventLoopTurns(10);
    expect(closed).toBe(false);
    gate.resolve();
    await closing;
  });
});
