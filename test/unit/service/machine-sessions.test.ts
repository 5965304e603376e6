import { describe, expect, it } from 'vitest';
import { PAST_RUNS } from '../../../src/service/limits.ts';
import { MachineSessions, machineExport } from '../../../src/service/machine-sessions.ts';

const MACHINE = { machineId: 'm1', ownerId: 'm1', name: 'machine/web-1' };
const refused = { code: 'PERMISSION_DENIED' };

/** Ends of older connections that a test lets happen. */
function rig() {
  const ends: { readonly ownerId: string; done(): void; fail(error: Error): void }[] = [];
  const sessions = new MachineSessions((ownerId) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    ends.push({ ownerId, done: resolve, fail: reject });
    return promise;
  });
  return { ends, sessions };
}

const enter = (sessions: MachineSessions, value: string) =>
  sessions.enter(MACHINE, machineExport(`machine/web-1@${value}`).session);

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One whose older connections end at once. */
function quick(): { readonly sessions: MachineSessions; ended(): number } {
  let ended = 0;
  const sessions = new MachineSessions(async () => {
    ended += 1;
  });
  return { sessions, ended: () => ended };
}

describe('the name of a machine’s export', () => {
  it('has a session after the @, or none', () => {
    expect(machineExport('machine/a')).toEqual({ name: 'machine/a', session: undefined });
    expect(machineExport('machine/a@run-1.12')).toEqual({
      name: 'machine/a',
      session: { run: 'run-1', number: 12 },
    });
    expect(machineExport('machine/a@vm')).toEqual({
      name: 'machine/a',
      session: { run: 'vm', number: undefined },
    });
    // A snapshot's name, and nothing of ours.
    expect(machineExport('volume/r/v@s')).toEqual({ name: 'volume/r/v@s', session: undefined });
  });

  it.each(['', '.1', 'a.', 'a.0', 'a.01', 'a.-1', 'a.1.2', 'a b', '-a', `a.${'9'.repeat(16)}`])(
    'refuses %j as a session and says what one is',
    (value) => {
      expect(() => machineExport(`machine/a@${value}`)).toThrow(
        expect.objectContaining({
          code: 'INVALID_INPUT',
          details: expect.objectContaining({ value }),
        }),
      );
    },
  );
});

describe('the sessions of a machine', () => {
  it('lets the first connection of a new one in when all others have ended', async () => {
    const { ends, sessions } = rig();
    let isIn = false;
    const entering = enter(sessions, 'a.1').then(() => {
      isIn = true;
    });
    await turn();
    expect(ends).toMatchObject([{ ownerId: 'm1' }]);
    expect(isIn).toBe(false);
    ends[0]?.done();
    await entering;
  });

  it('ends nobody for a second connection of the same one, which waits like the first', async () => {
    const { ends, sessions } = rig();
    const both = Promise.all([enter(sessions, 'a.1'), enter(sessions, 'a.1')]);
    await turn();
    expect(ends).toHaveLength(1);
    ends[0]?.done();
    for (const ticket of await both) expect(ticket.isStale()).toBe(false);
    await enter(sessions, 'a.1');
    expect(ends).toHaveLength(1);
  });

  it('refuses an older connection that comes late', async () => {
    const { sessions, ended } = quick();
    await enter(sessions, 'a.2');
    await expect(enter(sessions, 'a.1')).rejects.toMatchObject(refused);
    expect(ended()).toBe(1);
  });

  it('makes one stale whose disk is still being opened when the next begins', async () => {
    const { sessions } = quick();
    const old = await enter(sessions, 'a.1');
    expect(old.isStale()).toBe(false);
    const next = await enter(sessions, 'a.2');
    expect(old.isStale()).toBe(true);
    expect(next.isStale()).toBe(false);
  });

  it('gives the disk to another start of the machine, and never back', async () => {
    const { sessions, ended } = quick();
    await enter(sessions, 'a.7');
    await enter(sessions, 'b.1');
    expect(ended()).toBe(2);
    await expect(enter(sessions, 'a.8')).rejects.toMatchObject(refused);
    await enter(sessions, 'b.2');
  });

  it('forgets starts that are long past, and what it knew of a machine that is gone', async () => {
    const { sessions } = quick();
    for (let run = 0; run <= PAST_RUNS + 1; run++) await enter(sessions, `run${run}.1`);
    await expect(enter(sessions, 'run1.1')).rejects.toMatchObject(refused);
    await enter(sessions, 'run0.1');
    sessions.forget('m1');
    await enter(sessions, 'run1.1');
  });

  it('takes over with every connection of a session without a number', async () => {
    const { sessions, ended } = quick();
    const first = await enter(sessions, 'vm');
    await enter(sessions, 'vm');
    expect(ended()).toBe(2);
    expect(first.isStale()).toBe(true);
  });

  it('lets nobody in on a session whose older connections did not end, until the next one', async () => {
    const { ends, sessions } = rig();
    const first = enter(sessions, 'a.1');
    await turn();
    ends[0]?.fail(new Error('they hang'));
    await expect(first).rejects.toThrow('they hang');
    await expect(enter(sessions, 'a.1')).rejects.toThrow('they hang');
    const next = enter(sessions, 'a.2');
    await turn();
    ends[1]?.done();
    await next;
  });

  it('has nothing to do with connections that name none', async () => {
    const { sessions, ended } = quick();
    await enter(sessions, 'a.1');
    const plain = await sessions.enter(MACHINE, undefined);
    await enter(sessions, 'a.1');
    expect(plain.isStale()).toBe(false);
    expect(ended()).toBe(1);
  });
});
