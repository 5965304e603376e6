import { describe, expect, test } from 'vitest';
import { FaultPlan } from '../../../../src/adapters/simulated/fault-plan.ts';
import { ArrayError } from '../../../../src/errors/index.ts';
import { outcome } from '../../../compliance/array/bench.ts';

describe('the faults of a simulated array', () => {
  const planOf = (...rules: string[]): FaultPlan => {
    const plan = new FaultPlan();
    for (const rule of rules) plan.add(rule);
    return plan;
  };

  test('happen as often as they are told to, to the call they are told of', async () => {
    let done = 0;
    const plan = planOf('createVolume BUSY 2');
    const call = (name: string) => outcome(plan.run(name, true, () => (done += 1)));
    expect(await call('deleteVolume')).toBe('done');
    expect(await call('createVolume')).toBe('BUSY');
    expect(await call('createVolume')).toBe('BUSY');
    expect(done).toBe(1);
    expect(await call('createVolume')).toBe('done');
    expect(done).toBe(2);
  });

  test('stay where no number is given, and are taken away', async () => {
    const plan = planOf('* UNREACHABLE');
    for (let n = 0; n < 5; n += 1) {
      expect(await outcome(plan.run('health', false, () => 1))).toBe('UNREACHABLE');
    }
    plan.clear();
    expect(await outcome(plan.run('health', false, () => 1))).toBe('done');
  });

  test('lose the answer of what was done, and of changes only', async () => {
    let done = 0;
    const plan = planOf('* lose 1');
    expect(await outcome(plan.run('health', false, () => 1))).toBe('done');
    expect(await outcome(plan.run('createVolume', true, () => (done += 1)))).toBe(
      'UNKNOWN_OUTCOME',
    );
    expect(done).toBe(1);
    expect(await outcome(plan.run('createVolume', true, () => 1))).toBe('done');
  });

  test('do not count a lost answer of a call that failed by itself', async () => {
    const plan = planOf('* lose 1', '* BUSY 1');
    expect(await outcome(plan.run('createVolume', true, () => 1))).toBe('BUSY');
    expect(await outcome(plan.run('createVolume', true, () => 1))).toBe('UNKNOWN_OUTCOME');
  });

  test('delay, until the call is given up', async () => {
    const plan = planOf('clone delay=60000');
    const giveUp = new AbortController();
    let done = 0;
    const call = plan.run('clone', true, () => (done += 1), giveUp.signal);
    giveUp.abort();
    expect(await outcome(call)).toBe('CANCELLED');
    expect(done).toBe(0);
  });

  test.each([
    '',
    'createVolume',
    'createVolume SOMETHING',
    '* delay=',
    '* delay=999999',
    'a b c',
    '* lose x',
  ])('are refused when they cannot be understood: %j', (text) => {
    expect(() => new FaultPlan().add(text)).toThrow(ArrayError);
  });
});
