/** What replication does with volumes and snapshots it does in their turn, like everybody else. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createReplication,
  failoverReplication,
  reverseReplication,
  revertVolume,
  testFailover,
  updateSnapshot,
} from '../../../../src/control/index.ts';
import { prunePoints } from '../../../../src/control/replication/prune-points.ts';
import { Fault } from '../../../../src/errors/index.ts';
import {
  CHUNK,
  ended,
  protectedVolume,
  type ReplicationRig,
  replicationRig,
  send,
  show,
} from './rig.ts';

const CALL = { signal: new AbortController().signal, progress: () => undefined };
const IN_USE = expect.objectContaining({ code: 'IN_USE' });

let rig: ReplicationRig;
beforeEach(async () => {
  rig = replicationRig();
  await protectedVolume(rig, { keepSource: 1, keepTarget: 1 });
});

const deleted = (): number => rig.storage.calls.filter((call) => call === 'delete-snapshot').length;

/** Somebody is at work on a volume. @returns what ends it */
function atWork(volumeId: string): () => void {
  const work = Promise.withResolvers<void>();
  void rig.control.storageTurns.run(volumeId, () => work.promise);
  return work.resolve;
}

/** Long enough for whoever does not wait. */
async function aWhile(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('an old point', () => {
  const prune = () => prunePoints(rig.control, show(rig).id, CALL);
  /** Two points, of which one is too many. */
  async function twoPoints(): Promise<void> {
    const { catalog } = rig.control;
    const { id } = show(rig);
    const keep = (keepTo: number): void => {
      const now = catalog.replications.byId(id);
      if (now !== undefined) {
        catalog.replications.update({ ...now, keepSource: keepTo, keepTarget: keepTo });
      }
    };
    keep(5);
    rig.storage.write('db', 0, 'two');
    await send(rig);
    keep(1);
  }

  it.each(['here/db', 'there/db'])('is deleted in the turn of %s', async (address) => {
    await twoPoints();
    const end = atWork(rig.volumeId(address));
    const pruned = prune();
    await aWhile();
    expect(deleted()).toBe(address === 'here/db' ? 0 : 1);
    end();
    await pruned;
    expect(deleted()).toBe(2);
  });

  it('is promised to nobody while it is deleted', async () => {
    await twoPoints();
    const old = show(rig).points.at(-1);
    let refused: unknown;
    rig.storage.before = (what) => {
      if (what !== 'delete-snapshot' || refused !== undefined) return;
      const [snapshot] = rig.control.catalog.snapshots.page({
        repositoryId: 'here',
        volumeId: 'db',
        after: undefined,
        limit: 1,
      });
      try {
        updateSnapshot(rig.control, 'here', snapshot?.id ?? '', { description: 'precious' });
      } catch (error) {
        refused = error;
      }
    };
    await prune();
    expect(old?.number).toBe(1);
    expect(refused).toEqual(IN_USE);
  });

  it('stays when a clone of it was made while it waited for its turn', async () => {
    await twoPoints();
    const end = atWork(rig.volumeId('there/db'));
    const pruned = prune();
    await aWhile();
    const [old] = rig.control.catalog.points.ofReplication(show(rig).id).slice(1);
    const parentSnapshotId = old?.members[0]?.snapshots.right;
    const replica = rig.control.catalog.volumes.byId(rig.volumeId('there/db'));
    if (replica === undefined || parentSnapshotId === undefined) throw new Error('no point');
    const clone = { ...replica, id: 'clone', name: 'clone', role: 'volume' as const };
    rig.control.catalog.volumes.insert({ ...clone, parentSnapshotId });
    end();
    await pruned;
    expect(show(rig).points.map(({ number, onTarget }) => [number, onTarget])).toEqual([
      [2, true],
      [1, true],
    ]);
  });
});

describe('a test failover', () => {
  it('clones in the turn of the replica, and gives no name twice', async () => {
    const { control, storage } = rig;
    const end = atWork(rig.volumeId('there/db'));
    const task = testFailover(control, 'dr', { prefix: 'test-' });
    await aWhile();
    expect(storage.calls).not.toContain('clone');
    const replica = control.catalog.volumes.byId(rig.volumeId('there/db'));
    if (replica === undefined) throw new Error('no replica');
    control.catalog.volumes.insert({ ...replica, id: 'other', name: 'test-db', role: 'volume' });
    end();
    expect(await ended(control, task)).toMatchObject({
      state: 'failed',
      error: { code: 'ALREADY_EXISTS', field: 'prefix' },
    });
  });
});

describe('a look at an old source', () => {
  const looks = (): number =>
    [
      ...rig.control.catalog.snapshots.page({
        repositoryId: 'here',
        volumeId: undefined,
        after: undefined,
        limit: 100,
      }),
    ].filter(({ name }) => name.startsWith('look-')).length;

  beforeEach(async () => {
    rig = replicationRig();
    await createReplication(rig.control, {
      ...{ name: 'dr', volumes: ['here/db', 'here/log'], target: 'there' },
    });
    await rig.observe();
    await ended(rig.control, failoverReplication(rig.control, 'dr', { force: true }));
  });

  it('leaves nothing, also when its snapshots could not be deleted at first', async () => {
    rig.storage.before = (what) => {
      if (what === 'delete-snapshot') throw new Fault('UNREACHABLE', 'away');
    };
    const reversed = await ended(rig.control, reverseReplication(rig.control, 'dr'));
    expect(reversed).toMatchObject({ state: 'succeeded' });
    expect(looks()).toBe(2);
    rig.storage.before = () => undefined;
    expect(await send(rig)).toMatchObject({ state: 'succeeded' });
    expect(looks()).toBe(0);
  });

  it('deletes one that others stand on by now without losing its place in the tree', async () => {
    const { catalog } = rig.control;
    let parents: (string | undefined)[] = [];
    rig.storage.before = (what) => {
      if (what !== 'delete-snapshot') return;
      parents = ['db', 'log'].map((id) => catalog.volumes.byId(id)?.headSnapshotId);
    };
    await ended(rig.control, reverseReplication(rig.control, 'dr'));
    expect(parents).toHaveLength(2);
    for (const id of ['db', 'log']) {
      const head = catalog.volumes.byId(id)?.headSnapshotId ?? '';
      expect(catalog.snapshots.byId(head)).toBeDefined();
    }
  });
});

describe('the source', () => {
  it('may be reverted: the next point is what it is by then', async () => {
    const { control, storage } = rig;
    const first = control.catalog.points.ofReplication(show(rig).id)[0]?.members[0]?.snapshots.left;
    storage.write('db', 3 * CHUNK, 'a mistake');
    await send(rig);
    expect(storage.textAt(rig.volumeId('there/db'), 3 * CHUNK, 9)).toBe('a mistake');
    const newest = control.catalog.volumes.byId('db')?.headSnapshotId ?? '';
    expect(newest).not.toBe(first);
    storage.write('db', 5 * CHUNK, 'another');
    const task = revertVolume(control, 'here', 'db', { snapshot: newest });
    expect(await ended(control, task)).toMatchObject({ state: 'succeeded' });
    storage.write('db', 7 * CHUNK, 'after it');
    expect(await send(rig)).toMatchObject({ state: 'succeeded' });
    expect(storage.content(rig.volumeId('there/db'))).toEqual(storage.content('db'));
  });
});
