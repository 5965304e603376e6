/** Whose the machine's time is, in a measurement. */
import { describe, expect, it } from 'vitest';
import { foreignShareOf, type Spent } from '../../../bench/cell.ts';
import { startBefore } from '../../../bench/targets/start-before.ts';

const spent = (given: Partial<Spent>): Spent => ({
  ...{ at: 0, busyMicros: 0, clientMicros: 0, serverMicros: 0, originMicros: 0 },
  ...given,
});
/** A second later. */
const later = (given: Partial<Spent>): Spent => spent({ at: 1000, ...given });

describe('the share of others', () => {
  it('is what neither client, nor server, nor what stands behind it has used', () => {
    const used = { clientMicros: 200_000, serverMicros: 300_000, originMicros: 400_000 };
    const before = spent({ busyMicros: 5, originMicros: 1_000_000 });
    const end = later({ ...used, busyMicros: 1_000_005, originMicros: 1_400_000 });
    expect(foreignShareOf(before, end, 2)).toBeCloseTo(0.05);
    expect(foreignShareOf(before, { ...end, originMicros: 1_000_000 }, 2)).toBeCloseTo(0.25);
  });

  it('is never less than nothing, and never more than all', () => {
    expect(foreignShareOf(spent({}), later({ busyMicros: 10, clientMicros: 20 }), 2)).toBe(0);
    expect(foreignShareOf(spent({}), later({ busyMicros: 9_000_000 }), 2)).toBe(1);
  });
});

it('a server that stands before an origin says which process that is', async () => {
  const server = { pid: 11, uri: () => 'nbd://x', stop: async () => {} };
  const origin = (pid: number) => ({ pid, stop: async () => {} });
  const one = await startBefore(origin(12), async () => server);
  expect([one.pid, one.originPids]).toEqual([11, [12]]);
  const two = await startBefore(origin(13), async () => one);
  expect(two.originPids).toEqual([12, 13]);
});
