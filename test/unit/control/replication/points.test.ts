/** Points: how they come about, what they cost, what interrupts them, and how long they stay. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createReplication,
  deleteRepository,
  deleteSnapshot,
  deleteVolume,
  recoverControl,
  refuseReplicated,
  runReplication,
  updateReplication,
  updateSnapshot,
  verifyReplication,
} from '../../../../src/control/index.ts';
import { prunePoints } from '../../../../src/control/replication/prune-points.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { kinds } from '../support/fake-service.ts';
import {
  CHUNK,
  ended,
  protectedVolume,
  type ReplicationRig,
  replicationRig,
  SIZE,
  send,
  show,
} from './rig.ts';

let rig: ReplicationRig;
beforeEach(() => {
  rig = replicationRig();
});

const replicaIs = (text: string, offset = 0): void => {
  expect(rig.storage.textAt(rig.volumeId('there/db'), offset, text.length)).toBe(text);
};

describe('a replication', () => {
  it('sends its first point by itself, and differences from then on', async () => {
    await protectedVolume(rig, { interval: '1m' });
    expect(show(rig)).toMatchObject({
      ...{ state: 'idle-consistent', source: 'here', target: 'there', lastCommon: 1 },
      volumes: [{ source: 'here/db', target: 'there/db' }],
      points: [{ number: 1, state: 'complete', onSource: true, onTarget: true }],
    });
    replicaIs('db at first');
    rig.storage.write('db', 5 * CHUNK, 'changed');
    await rig.observe();
    expect(show(rig).points).toHaveLength(1); // not due yet
    rig.clock.advance(60_000);
    await rig.observe();
    expect(show(rig).points[0]).toMatchObject({
      number: 2,
      volumes: [{ figures: { read: CHUNK, written: 4096, verified: CHUNK } }],
    });
    replicaIs('changed', 5 * CHUNK);
    const once = [
      ...['before-replication', 'before-snapshot', 'after-snapshot', 'after-replication'],
    ];
    expect(rig.hooks).toEqual([...once, ...once]);
    const taken = [...rig.storage.snapshots.keys()].map((id) =>
      rig.control.catalog.snapshots.byId(id),
    );
    expect(taken.map((snapshot) => snapshot?.consistency)).toEqual([
      ...['application', 'crash', 'application', 'crash'],
    ]);
  });

  it.each(['before-replication', 'before-snapshot'])(
    'is not run when a hook fails: %s',
    async (moment) => {
      await protectedVolume(rig);
      rig.failing.add(moment);
      expect(await send(rig)).toMatchObject({ state: 'failed', error: { code: 'HOOK_FAILED' } });
      expect(show(rig)).toMatchObject({ state: 'error', points: [{ number: 1 }] });
    },
  );

  it('has run when a hook fails afterwards', async () => {
    await protectedVolume(rig);
    rig.failing.add('after-replication');
    expect(await send(rig)).toMatchObject({ state: 'failed', error: { code: 'HOOK_FAILED' } });
    expect(show(rig)).toMatchObject({ state: 'idle-consistent', lastCommon: 2, running: false });
  });

  it('keeps what it stands on from being deleted, and its replica from everybody', async () => {
    await protectedVolume(rig);
    const { catalog } = rig.control;
    expect(catalog.volumes.byId(rig.volumeId('there/db'))).toMatchObject({ role: 'replica' });
    const inUse = { code: 'IN_USE' };
    for (const volumeId of ['db', rig.volumeId('there/db')]) {
      expect(() => refuseReplicated(catalog, { volumeId })).toThrowError(
        expect.objectContaining(inUse),
      );
    }
    expect(() => refuseReplicated(catalog, { volumeId: 'log' })).not.toThrow();
    const snapshotId = [...rig.storage.snapshots.keys()][0] ?? '';
    expect(() => refuseReplicated(catalog, { snapshotId })).toThrowError(
      expect.objectContaining(inUse),
    );
    expect(() => deleteVolume(rig.control, 'here', 'db')).toThrowError(
      expect.objectContaining(inUse),
    );
    const { name = '', volumeName } = catalog.snapshots.byId(snapshotId) ?? {};
    const address = `${volumeName}@${name}`;
    updateSnapshot(rig.control, 'here', address, { held: false });
    const deleting = await ended(rig.control, deleteSnapshot(rig.control, 'here', address));
    expect(deleting).toMatchObject({ state: 'failed', error: { code: 'IN_USE' } });
    await expect(deleteRepository(rig.control, 'there')).rejects.toMatchObject(inUse);
  });

  it.each([
    [{ volumes: ['here/nothing'] }, 'NOT_FOUND', 'volumes'],
    [{ volumes: ['db'] }, 'INVALID_INPUT', 'volumes'],
    [{ volumes: undefined }, 'INVALID_INPUT', 'volumes'],
    [{ group: 'g' }, 'INVALID_INPUT', 'volumes'],
    [{ volumes: undefined, group: 'g' }, 'NOT_FOUND', 'group'],
    [{ target: 'nowhere' }, 'NOT_FOUND', 'target'],
    [{ target: 'here' }, 'INVALID_INPUT', 'target'],
    [{ mode: 'array' as const }, 'UNSUPPORTED', 'mode'],
    [{ interval: '1s' }, 'INVALID_INPUT', 'interval'],
    [{ rpo: 'soon' }, 'INVALID_INPUT', 'rpo'],
    [{ throttle: 10 }, 'INVALID_INPUT', 'throttle'],
    [{ prefix: '-' }, 'INVALID_INPUT', 'prefix'],
  ])('refuses %j', async (wrong, code, field) => {
    const input = { name: 'dr', volumes: ['here/db'], target: 'there', ...wrong };
    const creating = createReplication(rig.control, input as never);
    await expect(creating).rejects.toMatchObject({ code, details: { field } });
  });

  it('has a volume in one replication only, and a name of its own', async () => {
    await protectedVolume(rig);
    const again = { name: 'other', volumes: ['here/db'], target: 'there', prefix: 'x-' };
    await expect(createReplication(rig.control, again)).rejects.toMatchObject({ code: 'IN_USE' });
    const log = { name: 'dr', volumes: ['here/log'], target: 'there' };
    await expect(createReplication(rig.control, log)).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
  });

  it('sends all members of one moment, complete together or not at all', async () => {
    await protectedVolume(rig, { volumes: ['here/db', 'here/log'] });
    rig.storage.write('db', 0, 'db 2');
    rig.storage.write('log', 0, 'log 2');
    let checkpoints = 0;
    rig.replicator.atCheckpoint = () => {
      checkpoints += 1;
      if (rig.replicator.copies.length === 4) throw new Fault('UNREACHABLE', 'gone');
    };
    expect(await send(rig)).toMatchObject({ state: 'failed', error: { code: 'UNREACHABLE' } });
    expect(checkpoints).toBeGreaterThan(0);
    expect(show(rig)).toMatchObject({ state: 'error', reason: 'gone', lastCommon: 1 });
    expect(show(rig).points[0]).toMatchObject({ state: 'sending', onTarget: false });
    rig.replicator.atCheckpoint = () => undefined;
    expect(await send(rig)).toMatchObject({ state: 'succeeded' });
    const [point] = show(rig).points;
    expect(point).toMatchObject({ number: 2, state: 'complete', onTarget: true });
    const moments = rig.control.catalog.points
      .ofReplication(show(rig).id)[0]
      ?.members.map(
        ({ snapshots }) => rig.control.catalog.snapshots.byId(snapshots.left ?? '')?.groupId,
      );
    expect(new Set(moments).size).toBe(1);
    // The member that was done was not sent again.
    expect(rig.replicator.copies.slice(2).map(({ source }) => source.volumeId)).toEqual([
      ...['db', 'log', 'log'],
    ]);
  });

  it('grows with its source, whatever the other storage rounds to', async () => {
    await protectedVolume(rig);
    const { catalog } = rig.control;
    const before = catalog.volumes.byId('db');
    if (before === undefined) throw new Error('no volume');
    const size = SIZE + CHUNK + 512;
    await rig.storage.port.resizeVolume({ volumeId: 'db', ...before }, size, () => undefined, {
      ...{ signal: new AbortController().signal, progress: () => undefined },
    });
    rig.storage.write('db', SIZE + CHUNK, 'behind');
    expect(await send(rig)).toMatchObject({ state: 'succeeded' });
    replicaIs('behind', SIZE + CHUNK);
    const replica = catalog.volumes.byId(rig.volumeId('there/db'));
    expect(replica?.size).toBe(SIZE + CHUNK + 4096);
  });
});

describe('a run that is interrupted', () => {
  /** The service dies at the first checkpoint of the next copy. */
  async function dieWhileSending(): Promise<void> {
    rig.storage.write('db', 3 * CHUNK, 'half'.repeat(CHUNK));
    rig.replicator.atCheckpoint = async () => {
      rig.replicator.atCheckpoint = () => undefined;
      void rig.control.tasks.close();
      await Promise.resolve();
    };
    const task = runReplication(rig.control, 'dr');
    await ended(rig.control, task);
  }

  it('goes on by itself, at its cursor, when the service is there again', async () => {
    await protectedVolume(rig);
    await dieWhileSending();
    expect(show(rig)).toMatchObject({ running: true, lastCommon: 1 });
    const position = show(rig).points[0]?.volumes[0]?.position;
    expect(position).toBeGreaterThan(0);
    // What comes after is another process with the same catalog.
    const again = replicationRig({ over: rig });
    await recoverControl(again.control);
    await again.observe();
    expect(again.replicator.copies.at(-1)?.cursor?.position).toBe(position);
    expect(show(again)).toMatchObject({ running: false, lastCommon: 2, state: 'idle-consistent' });
    expect(again.storage.content(again.volumeId('there/db'))).toEqual(again.storage.content('db'));
  });

  it('takes another point when the snapshot is gone, from a replica that is as it was', async () => {
    await protectedVolume(rig);
    rig.storage.write('db', 3 * CHUNK, 'half');
    rig.replicator.atCheckpoint = () => {
      throw new Fault('UNAVAILABLE', 'the disk fails');
    };
    expect(await send(rig)).toMatchObject({ state: 'failed' });
    rig.replicator.atCheckpoint = () => undefined;
    const sending = rig.control.catalog.points.ofReplication(show(rig).id)[0];
    rig.storage.snapshots.delete(sending?.members[0]?.snapshots.left ?? '');
    expect(await send(rig)).toMatchObject({ state: 'failed', error: { code: 'NOT_FOUND' } });
    expect(await send(rig)).toMatchObject({ state: 'succeeded' });
    expect(show(rig).points.map(({ number, state }) => [number, state])).toEqual([
      [3, 'complete'],
      [1, 'complete'],
    ]);
    expect(rig.storage.calls.filter((call) => call === 'revert')).toHaveLength(1);
    replicaIs('half', 3 * CHUNK);
  });

  it.each(['the difference cannot be told', 'the point before is gone'])(
    'sends all of it, and compares, when %s',
    async (why) => {
      await protectedVolume(rig);
      rig.storage.write('db', 7 * CHUNK, 'more');
      if (why.startsWith('the difference')) rig.storage.canDiff = false;
      else {
        const [first] = rig.control.catalog.points.ofReplication(show(rig).id);
        rig.storage.snapshots.delete(first?.members[0]?.snapshots.left ?? '');
      }
      expect(await send(rig)).toMatchObject({ state: 'succeeded' });
      expect(rig.replicator.copies.at(-1)).toMatchObject({ since: undefined, compare: true });
      replicaIs('more', 7 * CHUNK);
      expect(show(rig).points[0]?.volumes[0]?.figures).toMatchObject({ written: 4096 });
    },
  );

  it('is tried again by itself, later and later', async () => {
    await protectedVolume(rig);
    rig.storage.before = (what) => {
      if (what === 'snapshot') throw new Fault('UNREACHABLE', 'away');
    };
    expect(await send(rig)).toMatchObject({ state: 'failed' });
    const first = Date.parse(show(rig).nextAt ?? '') - rig.clock.now();
    rig.clock.advance(first);
    await rig.observe();
    const second = Date.parse(show(rig).nextAt ?? '') - rig.clock.now();
    expect([first, second]).toEqual([15_000, 30_000]);
    rig.storage.before = () => undefined;
    rig.clock.advance(second);
    await rig.observe();
    expect(show(rig)).toMatchObject({ state: 'idle-consistent', reason: null, nextAt: null });
    expect(kinds(rig).filter((kind) => kind === 'replication.failed')).toHaveLength(2);
  });
});

describe('storage that is away', () => {
  it('is waited for', async () => {
    await protectedVolume(rig, { interval: '1m' });
    rig.storage.detached.add('there');
    rig.clock.advance(60_000);
    await rig.observe();
    expect(show(rig)).toMatchObject({ state: 'idle-consistent', points: [{ number: 1 }] });
    rig.storage.detached.clear();
    await rig.observe();
    expect(show(rig)).toMatchObject({ lastCommon: 2 });
  });
});

describe('points', () => {
  it('stay as many as each side keeps, and the last common one always', async () => {
    await protectedVolume(rig, { keepSource: 1, keepTarget: 2 });
    for (const text of ['two', 'three', 'four']) {
      rig.storage.write('db', 0, text);
      await send(rig);
    }
    expect(
      show(rig).points.map(({ number, onSource, onTarget }) => [number, onSource, onTarget]),
    ).toEqual([
      [4, true, true],
      [3, false, true],
    ]);
    expect(rig.storage.snapshots.size).toBe(3);
  });

  it('stay when they are the last that both sides have, whatever came after them', async () => {
    await protectedVolume(rig, { keepSource: 1, keepTarget: 1 });
    updateReplication(rig.control, 'dr', { keepSource: 5, keepTarget: 5 });
    await send(rig);
    const { catalog } = rig.control;
    const [newest] = catalog.points.ofReplication(show(rig).id);
    if (newest === undefined) throw new Error('no point');
    catalog.points.update({ ...newest, damaged: true });
    updateReplication(rig.control, 'dr', { keepSource: 1, keepTarget: 1 });
    const signal = new AbortController().signal;
    await prunePoints(rig.control, show(rig).id, { signal, progress: () => undefined });
    expect(show(rig)).toMatchObject({ lastCommon: 1, points: [{ number: 2 }, { number: 1 }] });
  });

  it('are found out when the replica is not what was sent, and not sent differences to', async () => {
    await protectedVolume(rig);
    const verified = await ended(
      rig.control,
      verifyReplication(rig.control, 'dr', { source: true }),
    );
    expect(verified.result).toMatchObject({ volumes: [{ same: true }, { same: true }] });
    const { members } = rig.control.catalog.points.ofReplication(show(rig).id)[0] ?? {};
    const rotten = rig.storage.snapshots.get(members?.[0]?.snapshots.right ?? '');
    rotten?.device.write(Buffer.from('rot'), 9 * CHUNK, { fua: false });
    rig.storage
      .head({ volumeId: rig.volumeId('there/db'), repositoryId: '', handle: {} })
      .write(Buffer.from('rot'), 9 * CHUNK, { fua: false });
    const found = await ended(rig.control, verifyReplication(rig.control, 'dr', {}));
    expect(found.result).toMatchObject({ volumes: [{ same: false, repository: 'there' }] });
    expect(show(rig)).toMatchObject({ state: 'broken', lastCommon: null });
    expect(kinds(rig)).toContain('replication.damaged');
    expect(await send(rig)).toMatchObject({ state: 'succeeded' });
    expect(rig.storage.content(rig.volumeId('there/db'))).toEqual(rig.storage.content('db'));
    const mended = await ended(rig.control, verifyReplication(rig.control, 'dr', {}));
    expect(mended.result).toMatchObject({ volumes: [{ same: true }] });
  });
});
