/** Who is written, and what becomes of the other side: failovers, and the ways back. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type Control,
  failoverReplication,
  ReplicationObserver,
  resyncReplication,
  reverseReplication,
  runReplication,
  testFailover,
} from '../../../../src/control/index.ts';
import { LINK_EVERY_MS } from '../../../../src/control/limits.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { SEED } from '../../../support/seed.ts';
import { kinds } from '../support/fake-service.ts';
import {
  CHUNK,
  ended,
  protectedVolume,
  type ReplicationRig,
  replicationRig,
  send,
  show,
} from './rig.ts';

let rig: ReplicationRig;
let control: Control;
beforeEach(async () => {
  rig = replicationRig();
  control = rig.control;
  await protectedVolume(rig);
});

const failover = (force = false) => ended(control, failoverReplication(control, 'dr', { force }));
const reverse = () => ended(control, reverseReplication(control, 'dr'));
const resync = (discard: string) => ended(control, resyncReplication(control, 'dr', { discard }));
const replica = (): string => rig.volumeId('there/db');
const roles = () => ['db', replica()].map((id) => control.catalog.volumes.byId(id)?.role);
const textOf = (id: string, length: number) => rig.storage.textAt(id, 0, length);

function expectEqualSides(): void {
  const [db, other] = [rig.storage.content('db'), rig.storage.content(replica())];
  expect(db.equals(other.subarray(0, db.length))).toBe(true);
}

describe('a planned failover', () => {
  it('sends what the source still has, and turns the roles', async () => {
    rig.storage.write('db', 0, 'the last word');
    expect(await failover()).toMatchObject({
      state: 'succeeded',
      result: { kind: 'planned', point: 3 },
    });
    expect(textOf(replica(), 13)).toBe('the last word');
    expect(roles()).toEqual(['replica', 'volume']);
    expect(show(rig)).toMatchObject({
      ...{ state: 'failed-over', failover: 'planned', source: 'there', target: 'here' },
      reversed: true,
    });
    expect(() => runReplication(control, 'dr')).toThrowError(/failed over/);
    expect(await failover()).toMatchObject({ state: 'failed', error: { code: 'IN_USE' } });
    expect(kinds(rig)).toContain('replication.failover-planned');
  });

  it.each(['a connection', 'a mapping'])('is refused while %s could write', async (what) => {
    if (what === 'a connection') rig.storage.connections.set('db', 1);
    else {
      const more = { lun: 1, sessions: [], portals: [], iqn: undefined, path: undefined };
      rig.storage.mapped.set('db', [{ host: 'esx-1', mode: 'rw', ...more }]);
    }
    expect(await failover()).toMatchObject({ state: 'failed', error: { code: 'IN_USE' } });
    expect(roles()).toEqual(['volume', 'replica']);
    expect(show(rig)).toMatchObject({ failover: 'none', source: 'here' });
  });

  it('leaves everything as it was when the last point does not arrive', async () => {
    let copies = 0;
    rig.replicator.atCheckpoint = () => {
      copies += 1;
      if (copies > 1) throw new Fault('NO_SPACE', 'the other side is full');
    };
    rig.storage.write('db', 0, 'last');
    expect(await failover()).toMatchObject({ state: 'failed', error: { code: 'NO_SPACE' } });
    expect(roles()).toEqual(['volume', 'replica']);
    expect(show(rig)).toMatchObject({ failover: 'none' });
    expect(kinds(rig)).toContain('replication.failover-failed');
  });

  it('fences nothing after a restart in the middle of it', async () => {
    const volume = control.catalog.volumes.byId('db');
    if (volume === undefined) throw new Error('no volume');
    control.catalog.volumes.update({ ...volume, role: 'replica' }); // the service died there
    new ReplicationObserver(control, () => undefined);
    expect(roles()).toEqual(['volume', 'replica']);
  });

  it('is reversed with differences only, there and back', async () => {
    await failover();
    rig.storage.write(replica(), 6 * CHUNK, 'written over there');
    const copiesBefore = rig.replicator.copies.length;
    const revertsBefore = rig.storage.calls.filter((call) => call === 'revert').length;
    expect(await reverse()).toMatchObject({ state: 'succeeded', result: { point: 4 } });
    expect(rig.replicator.copies).toHaveLength(copiesBefore + 1);
    expect(rig.replicator.copies.at(-1)).toMatchObject({ since: {}, compare: false });
    expect(show(rig)).toMatchObject({
      state: 'idle-consistent',
      failover: 'none',
      source: 'there',
    });
    expect(show(rig).points[0]?.volumes[0]?.figures).toMatchObject({ read: CHUNK });
    // The fenced source held the last point: there was nothing to take back.
    expect(rig.storage.calls.filter((call) => call === 'revert')).toHaveLength(revertsBefore);
    expectEqualSides();
    await failover();
    expect(roles()).toEqual(['volume', 'replica']);
    await reverse();
    expect(show(rig)).toMatchObject({ source: 'here', reversed: false, state: 'idle-consistent' });
    expectEqualSides();
  });
});

describe('a forced failover', () => {
  /** The source has written what never arrived, and is away; what was being sent is half there. */
  async function disaster(): Promise<void> {
    rig.storage.write('db', 0, 'sent at last');
    await send(rig);
    rig.storage.write('db', 0, 'never sent!!');
    rig.storage.write('db', 10 * CHUNK, 'more that was never sent');
    rig.replicator.atCheckpoint = () => {
      rig.replicator.atCheckpoint = () => undefined;
      throw new Fault('UNREACHABLE', 'the source is away');
    };
    await send(rig);
    expect(textOf(replica(), 12)).toBe('never sent!!'); // the head, and no point
    rig.storage.detached.add('here');
  }

  it('takes the newest complete point, and nothing of what was half sent', async () => {
    await disaster();
    expect(await failover(true)).toMatchObject({ state: 'succeeded', result: { point: 2 } });
    expect(textOf(replica(), 12)).toBe('sent at last');
    expect(roles()).toEqual(['replica', 'volume']);
    expect(show(rig)).toMatchObject({ state: 'failed-over', failover: 'forced', source: 'there' });
  });

  it('ends what still writes the old source, and tells what cannot be ended', async () => {
    rig.failing.add('close');
    expect(await failover(true)).toMatchObject({ state: 'succeeded' });
    expect(rig.closed).toEqual(['db']);
    expect(kinds(rig)).toContain('replication.not-fenced');
  });

  it('is refused without a complete point', async () => {
    const empty = replicationRig();
    empty.storage.before = (what) => {
      if (what === 'snapshot') throw new Fault('UNREACHABLE', 'away');
    };
    await protectedVolume(empty);
    const task = failoverReplication(empty.control, 'dr', { force: true });
    expect(await ended(empty.control, task)).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });

  it('is seen as a split brain when the old source comes back with more', async () => {
    await disaster();
    await failover(true);
    await rig.observe();
    expect(show(rig).state).toBe('failed-over');
    rig.storage.detached.clear();
    rig.clock.advance(LINK_EVERY_MS);
    await rig.observe();
    expect(show(rig)).toMatchObject({ state: 'split-brain', failover: 'forced' });
    expect(kinds(rig)).toContain('replication.diverged');
    const before = rig.storage.content('db');
    expect(await reverse()).toMatchObject({ state: 'failed', error: { code: 'IN_USE' } });
    expect(rig.storage.content('db').equals(before)).toBe(true);
    expect(rig.failures).toEqual([]);
  });

  it('can be reversed when the old source holds nothing more', async () => {
    rig.storage.detached.add('here');
    await failover(true);
    rig.storage.write(replica(), 0, 'gone on');
    rig.storage.detached.clear();
    expect(await reverse()).toMatchObject({ state: 'succeeded' });
    expect(textOf('db', 7)).toBe('gone on');
    expect(rig.replicator.copies.at(-1)).toMatchObject({ since: {}, compare: false });
  });

  it('is compared by content where differences cannot be told', async () => {
    rig.storage.detached.add('here');
    await failover(true);
    rig.storage.detached.clear();
    rig.storage.canDiff = false;
    rig.clock.advance(LINK_EVERY_MS);
    await rig.observe();
    expect(show(rig).state).toBe('failed-over');
    expect(await reverse()).toMatchObject({ state: 'succeeded' });
  });

  it.each([
    ['here', 'sent at last', 'gone on there'],
    ['there', 'never sent!!', 'gone on there'],
  ])('is resynchronised by throwing away what %s holds', async (discard, here, there) => {
    await disaster();
    await failover(true);
    rig.storage.write(replica(), 2 * CHUNK, there);
    rig.storage.detached.clear();
    expect(await resync(discard)).toMatchObject({ state: 'succeeded' });
    expectEqualSides();
    expect(textOf('db', 12)).toBe(here);
    const kept = rig.storage.textAt('db', 2 * CHUNK, there.length) === there;
    expect(kept).toBe(discard === 'here');
    expect(show(rig)).toMatchObject({
      ...{ state: 'idle-consistent', failover: 'none' },
      source: discard === 'here' ? 'there' : 'here',
    });
    expect(roles()).toEqual(discard === 'here' ? ['replica', 'volume'] : ['volume', 'replica']);
    // Differences to the last common point, not all of it.
    expect(rig.replicator.copies.at(-1)).toMatchObject({ since: {} });
  });

  it('is resynchronised only with a side that nobody has open', async () => {
    await disaster();
    await failover(true);
    rig.storage.detached.clear();
    rig.storage.connections.set(replica(), 2);
    expect(await resync('there')).toMatchObject({ state: 'failed', error: { code: 'IN_USE' } });
    expect(show(rig)).toMatchObject({ source: 'there', failover: 'forced' });
    expect(roles()).toEqual(['replica', 'volume']);
    expect(() => resyncReplication(control, 'dr', { discard: 'nowhere' })).toThrowError(/no side/);
  });
});

describe('a test failover', () => {
  it('makes clones of the newest point, and touches nothing', async () => {
    const before = rig.storage.content(replica());
    const task = testFailover(control, 'dr', { prefix: 'try-' });
    expect(await ended(control, task)).toMatchObject({
      result: { point: 1, volumes: ['there/try-db'] },
    });
    const clone = rig.volumeId('there/try-db');
    rig.storage.write(clone, 0, 'broken by a test');
    expect(rig.storage.content(replica()).equals(before)).toBe(true);
    expect(show(rig)).toMatchObject({ state: 'idle-consistent', tests: ['there/try-db'] });
    expect(control.catalog.volumes.byId(clone)).toMatchObject({ role: 'volume' });
    // A point that a clone stands on stays until it is gone.
    for (let run = 0; run < 5; run++) await send(rig);
    expect(show(rig).points.at(-1)).toMatchObject({ number: 1, onSource: false, onTarget: true });
    control.catalog.volumes.delete(clone);
    await send(rig);
    expect(show(rig).points.some(({ number }) => number === 1)).toBe(false);
    expect(show(rig).tests).toEqual([]);
  });

  it('is refused for a name that is taken, and for a point that is not there', async () => {
    const taken = testFailover(control, 'dr', { prefix: 'try-' });
    await ended(control, taken);
    const again = testFailover(control, 'dr', { prefix: 'try-', kind: 'full' });
    expect(await ended(control, again)).toMatchObject({ error: { code: 'ALREADY_EXISTS' } });
    expect(() => testFailover(control, 'dr', { prefix: 'x-', point: 9 })).toThrowError(
      expect.objectContaining({ code: 'NOT_FOUND' }),
    );
  });
});

describe('the life of a replication', () => {
  it('never loses what a complete point holds, whatever comes in whatever order', async () => {
    const steps = fc.array(
      fc.constantFrom(
        ...(['write', 'send', 'fail', 'planned', 'forced', 'reverse', 'resync'] as const),
        ...(['write', 'send'] as const),
      ),
      { minLength: 5, maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (life) => {
        rig = replicationRig();
        control = rig.control;
        await protectedVolume(rig);
        const sourceId = () => (show(rig).source === 'here' ? 'db' : replica());
        const other = () => (show(rig).source === 'here' ? replica() : 'db');
        let word = 0;
        for (const step of life) {
          word += 1;
          if (step === 'write') {
            rig.storage.write(sourceId(), (word % 19) * CHUNK + word, `word ${word}`);
          } else if (step === 'send' && show(rig).failover === 'none') await send(rig);
          else if (step === 'fail' && show(rig).failover === 'none') {
            rig.replicator.atCheckpoint = () => {
              throw new Fault('UNAVAILABLE', 'the network fails');
            };
            await send(rig);
            rig.replicator.atCheckpoint = () => undefined;
          } else if (step === 'planned') await failover();
          else if (step === 'forced') await failover(true);
          else if (step === 'reverse') await reverse();
          else if (step === 'resync') await resync(show(rig).target);
          const both = roles();
          expect(both[show(rig).source === 'here' ? 0 : 1]).toBe('volume');
          expect(both[show(rig).source === 'here' ? 1 : 0]).toBe('replica');
        }
        if (show(rig).failover !== 'none') await resync(show(rig).target);
        // The first may be an older point that goes on.
        await send(rig);
        expect(await send(rig)).toMatchObject({ state: 'succeeded' });
        const content = rig.storage.content(sourceId());
        const copy = rig.storage.content(other());
        const size = Math.min(content.length, copy.length);
        expect(content.subarray(0, size).equals(copy.subarray(0, size))).toBe(true);
        expect(show(rig).points[0]).toMatchObject({ state: 'complete', onTarget: true });
      }),
      { seed: SEED, numRuns: 10 },
    );
  });
});
