/** The arrays' own replication: the same verbs, and a way out of everything that can be half done. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createReplication,
  deleteReplication,
  failoverReplication,
  resyncReplication,
  reverseReplication,
  runReplication,
  testFailover,
  verifyReplication,
} from '../../../../src/control/index.ts';
import { LINK_EVERY_MS } from '../../../../src/control/limits.ts';
import type { LinkStatus } from '../../../../src/control/replication-port.ts';
import { ended, type ReplicationRig, replicationRig, settle, show } from './rig.ts';

describe("the arrays' own replication", () => {
  let rig: ReplicationRig;
  let copy: string;

  beforeEach(async () => {
    rig = replicationRig({ linked: true });
    const input = { name: 'dr', volumes: ['here/db'], target: 'there', rpo: '5m' };
    await createReplication(rig.control, input);
    await rig.observe();
    copy = rig.volumeId('there/db');
  });

  const task = (view: { readonly id: string }) => ended(rig.control, view);
  const fail = (force = false) => task(failoverReplication(rig.control, 'dr', { force }));
  const roleOf = (volumeId: string) => rig.control.catalog.volumes.byId(volumeId)?.role;
  const said = (volumeId: string, status: Partial<LinkStatus>): void => {
    const before = rig.links.statuses.get(volumeId) ?? {
      ...{ role: 'secondary', state: 'syncing', description: '', syncedAt: undefined },
    };
    rig.links.statuses.set(volumeId, { ...before, ...status } as LinkStatus);
  };
  const look = async (at = rig): Promise<void> => {
    at.clock.advance(LINK_EVERY_MS);
    await at.observe();
  };
  /** The service dies, and another one starts over the same catalog and arrays. */
  const again = (): ReplicationRig => {
    const next = replicationRig({ linked: true, over: rig });
    return next;
  };

  it('is taken where both ends have it, with the same verbs', async () => {
    expect(show(rig)).toMatchObject({ mode: 'array', state: 'syncing' });
    expect(rig.links.calls).toEqual(['enable db', 'adopt', 'sync db']);
    expect(roleOf(copy)).toBe('replica');
    said('db', { state: 'in-sync', syncedAt: rig.clock.now() });
    await look();
    expect(show(rig)).toMatchObject({ state: 'in-sync', ageSeconds: 30 });
    rig.links.size = 8192;
    await fail();
    expect(rig.control.catalog.volumes.byId(copy)?.size).toBe(8192);
    const order = ['sync db', `arrived ${copy} 7`, 'demote db', `promote ${copy}`];
    expect(rig.links.calls.slice(-4)).toEqual(order);
    expect(show(rig)).toMatchObject({ state: 'failed-over', source: 'there' });
    expect(await task(reverseReplication(rig.control, 'dr'))).toMatchObject({ state: 'succeeded' });
    expect(rig.links.calls.at(-1)).toBe(`sync ${copy}`);
  });

  it('calls the hooks of a snapshot around the moment that is sent', async () => {
    rig.hooks.length = 0;
    await task(runReplication(rig.control, 'dr'));
    const around = ['before-snapshot', 'after-snapshot'];
    expect(rig.hooks).toEqual(['before-replication', ...around, 'after-replication']);
  });

  it('has no points that could be tried or verified, and says so', () => {
    for (const refused of [
      () => testFailover(rig.control, 'dr', { prefix: 'x-' }),
      () => verifyReplication(rig.control, 'dr', {}),
    ]) {
      expect(refused).toThrowError(expect.objectContaining({ code: 'UNSUPPORTED' }));
      expect(refused).toThrowError(/arrays keep theirs to themselves/);
    }
  });

  it('leaves two volumes: the copy is an original before its own is let go', async () => {
    await deleteReplication(rig.control, 'dr', {});
    const order = [`promote-force ${copy}`, 'disable db', `disable ${copy}`];
    expect(rig.links.calls.slice(-3)).toEqual(order);
    expect([roleOf('db'), roleOf(copy)]).toEqual(['volume', 'volume']);
  });

  it('is ended without one that is gone only when told to, and then all the same', async () => {
    rig.links.unreachable.add('db');
    const before = rig.links.calls.length;
    await expect(deleteReplication(rig.control, 'dr', {})).rejects.toThrow();
    expect(rig.links.calls.slice(before)).toEqual([]);
    await deleteReplication(rig.control, 'dr', { force: true });
    expect(rig.links.calls.slice(-2)).toEqual([`promote-force ${copy}`, `disable ${copy}`]);
    expect(roleOf(copy)).toBe('volume');
  });

  it('wants to be told what is thrown away after a forced failover', async () => {
    rig.links.unreachable.add('db');
    await fail(true);
    expect(rig.links.calls.at(-1)).toBe(`promote-force ${copy}`);
    rig.links.unreachable.clear();
    const reversed = await task(reverseReplication(rig.control, 'dr'));
    expect(reversed).toMatchObject({ error: { code: 'IN_USE' } });
    await look();
    expect(show(rig)).toMatchObject({ state: 'split-brain' });
    expect(show(rig).reason).toMatch(/resync dr --discard here/);
    const resynced = await task(resyncReplication(rig.control, 'dr', { discard: 'here' }));
    expect(resynced).toMatchObject({ state: 'succeeded' });
    expect(rig.links.calls.slice(-3)).toEqual(['demote db', 'resync db', `sync ${copy}`]);
  });

  it('makes what is kept the original before it throws away the other', async () => {
    await fail();
    const resynced = await task(resyncReplication(rig.control, 'dr', { discard: 'there' }));
    expect(resynced).toMatchObject({ state: 'succeeded' });
    const order = ['promote-force db', `demote ${copy}`, `resync ${copy}`, 'sync db'];
    expect(rig.links.calls.slice(-4)).toEqual(order);
    expect(show(rig)).toMatchObject({ source: 'here', failover: 'none' });
  });

  it('finds the copy again that the array has made anew', async () => {
    const handle = rig.control.catalog.volumes.byId(copy)?.handle;
    rig.links.statuses.delete(copy);
    rig.links.copies = false;
    await look();
    expect(rig.links.calls.at(-1)).toBe('adopt');
    rig.links.copies = true;
    rig.control.catalog.volumes.update({
      ...present(rig.control.catalog.volumes.byId(copy)),
      handle: { id: 'of the one that is gone' },
    });
    await look();
    expect(rig.control.catalog.volumes.byId(copy)).toMatchObject({ handle, role: 'replica' });
    expect(rig.control.catalog.volumes.byName('there', 'db')?.id).toBe(copy);
  });

  it('tells a split brain that the arrays have seen', async () => {
    said('db', { state: 'split-brain', description: 'split-brain' });
    await look();
    expect(show(rig)).toMatchObject({ state: 'split-brain' });
    expect(show(rig).reason).toMatch(/^split-brain; "rootcast replication resync dr/);
  });

  it.each([
    [
      { db: 'primary', copy: 'primary' },
      'split-brain',
      /both sides say that they are the original/,
    ],
    [{ db: 'secondary', copy: 'primary' }, 'error', /replication failover dr" follows them/],
    [
      { db: 'secondary', copy: 'secondary' },
      'broken',
      /both sides can only be read.*--discard there/,
    ],
  ] as const)('tells roles that somebody else has changed: %o', async (roles, state, reason) => {
    said('db', { role: roles.db });
    said(copy, { role: roles.copy });
    await look();
    expect(show(rig)).toMatchObject({ state, reason: expect.stringMatching(reason) });
    expect(await fail()).toMatchObject({ state: 'succeeded' });
    expect(show(rig)).toMatchObject({ source: 'there', failover: 'planned' });
  });

  it('tells that the source cannot be asked, and knows from the copy how old it is', async () => {
    const moment = rig.clock.now();
    said(copy, { syncedAt: moment });
    rig.links.unreachable.add('db');
    await look();
    expect(show(rig)).toMatchObject({ state: 'unknown', ageSeconds: 30 });
    expect(show(rig).reason).toMatch(/the source cannot be asked: .*its array is away/);
  });

  it('keeps the reason of a run that failed until one succeeds, and tries again as soon as ever', async () => {
    for (const _ of [1, 2]) {
      rig.links.failing.add('sync');
      await task(runReplication(rig.control, 'dr'));
      await look();
      expect(show(rig)).toMatchObject({ state: 'error', reason: expect.stringMatching(/sync/) });
      rig.links.failing.clear();
      await task(runReplication(rig.control, 'dr'));
      expect(show(rig)).toMatchObject({ state: 'syncing', reason: null });
    }
    expect(rig.control.catalog.replications.byName('dr')?.failures).toBe(0);
  });

  describe('a failover that is not answered, or dies', () => {
    it.each(['demote', 'arrived', 'sync'])(
      'is taken back when the answer to %s is lost',
      async (call) => {
        rig.links.failing.add(call);
        expect(await fail()).toMatchObject({ state: 'failed' });
        expect(show(rig)).toMatchObject({ source: 'here', failover: 'none' });
        expect(rig.links.statuses.get('db')?.role).toBe('primary');
        expect([roleOf('db'), roleOf(copy)]).toEqual(['volume', 'replica']);
      },
    );

    it('is taken back by and by when no answer to promoting arrives', async () => {
      rig.links.failing.add('promote');
      await fail();
      expect([roleOf('db'), roleOf(copy)]).toEqual(['replica', 'replica']);
      await look();
      expect([roleOf('db'), roleOf(copy)]).toEqual(['volume', 'replica']);
      expect(show(rig)).toMatchObject({ source: 'here', state: 'in-sync' });
    });

    it('fences the source when it cannot be taken back, and says the way out', async () => {
      rig.links.refusing.add('promote');
      await fail();
      for (const _ of ['at once', 'and later']) {
        expect([roleOf('db'), roleOf(copy)]).toEqual(['replica', 'replica']);
        expect(show(rig)).toMatchObject({ state: 'broken' });
        expect(show(rig).reason).toMatch(/failover dr" \(with --force/);
        await look();
      }
      rig.links.refusing.clear();
      expect(await fail()).toMatchObject({ state: 'succeeded' });
      expect([roleOf('db'), roleOf(copy)]).toEqual(['replica', 'volume']);
    });

    it('is followed when the arrays were done before the service died', async () => {
      said('db', { role: 'secondary' });
      said(copy, { role: 'primary' });
      promoting(rig);
      const next = again();
      // Nobody writes the source until it is clear who has it.
      expect(roleOf('db')).toBe('replica');
      await look(next);
      await settle(next.control);
      expect(show(next)).toMatchObject({ source: 'there', failover: 'planned' });
      expect([roleOf('db'), roleOf(copy)]).toEqual(['replica', 'volume']);
    });

    it.each(['primary', 'secondary'] as const)(
      'is taken back when the copy was no original yet (the source: %s)',
      async (role) => {
        said('db', { role });
        promoting(rig);
        const next = again();
        await look(next);
        await settle(next.control);
        expect(show(next)).toMatchObject({ source: 'here', failover: 'none' });
        expect(next.links.statuses.get('db')?.role).toBe('primary');
        expect([roleOf('db'), roleOf(copy)]).toEqual(['volume', 'replica']);
      },
    );

    it('is made again after a forced one of which the answer was lost', async () => {
      rig.links.failing.add('promote-force');
      expect(await fail(true)).toMatchObject({ state: 'failed' });
      expect(show(rig)).toMatchObject({ source: 'here' });
      rig.links.failing.clear();
      expect(await fail(true)).toMatchObject({ state: 'succeeded' });
      expect(show(rig)).toMatchObject({ source: 'there', failover: 'forced' });
    });
  });
});

function promoting({ control }: ReplicationRig): void {
  const replication = present(control.catalog.replications.byName('dr'));
  control.catalog.replications.update({ ...replication, state: 'promoting' });
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('it is not there');
  return value;
}
