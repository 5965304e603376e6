/** What was written last is thrown away by nobody who was not told to, and is never written from two sides. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type Control,
  createReplication,
  deleteReplication,
  deleteVolume,
  failoverReplication,
  mapVolume,
  resyncReplication,
  reverseReplication,
  runReplication,
  type VolumeMapping,
} from '../../../../src/control/index.ts';
import { LINK_EVERY_MS } from '../../../../src/control/limits.ts';
import { Fault } from '../../../../src/errors/index.ts';
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
let control: Control;
beforeEach(async () => {
  rig = replicationRig();
  control = rig.control;
  await protectedVolume(rig);
});

const failover = (force = false) => ended(control, failoverReplication(control, 'dr', { force }));
const reverse = () => ended(control, reverseReplication(control, 'dr'));
const resync = (discard: string) => ended(control, resyncReplication(control, 'dr', { discard }));
const replica = (name = 'there/db'): string => rig.volumeId(name);
const textOf = (id: string, length: number) => rig.storage.textAt(id, 0, length);
const mapping = (host: string): VolumeMapping => ({
  ...{ host, mode: 'rw', lun: 1, sessions: [] },
  ...{ portals: [], iqn: undefined, path: undefined },
});

/** A run that ends in the middle: the head holds some of the next point. */
async function halfSent(): Promise<void> {
  rig.storage.write('db', 0, 'half of what comes next');
  rig.replicator.atCheckpoint = () => {
    throw new Fault('UNREACHABLE', 'the line is cut');
  };
  expect(await send(rig)).toMatchObject({ state: 'failed' });
  rig.replicator.atCheckpoint = () => undefined;
}

describe('resync that throws away the side that is written', () => {
  it('keeps the last complete point, and not what was half sent', async () => {
    await send(rig);
    await halfSent();
    rig.storage.write(replica(), 0, 'scribbled over by half');
    expect(await resync('here')).toMatchObject({ state: 'succeeded' });
    expect(textOf(replica(), 11)).toBe('db at first');
    expect(textOf('db', 11)).toBe('db at first');
  });

  it('is refused when the other side never had a complete point', async () => {
    const other = replicationRig();
    rig = other;
    control = other.control;
    other.replicator.atCheckpoint = () => {
      throw new Fault('UNREACHABLE', 'the line is cut');
    };
    await protectedVolume(other);
    other.replicator.atCheckpoint = () => undefined;
    expect(await resync('here')).toMatchObject({ state: 'failed', error: { code: 'NOT_FOUND' } });
    expect(textOf('db', 11)).toBe('db at first');
    expect(control.catalog.volumes.byId('db')?.role).toBe('volume');
    expect(show(rig)).toMatchObject({ source: 'here', failover: 'none' });
  });
});

describe('an old source that somebody still writes', () => {
  it.each(['connection', 'mapping'])('by a %s is not written over', async (how) => {
    await failover(true);
    if (how === 'connection') rig.storage.connections.set('db', 1);
    else rig.storage.mapped.set('db', [mapping('esx-1')]);
    expect(await reverse()).toMatchObject({ state: 'failed', error: { code: 'IN_USE' } });
    expect(await resync('here')).toMatchObject({ state: 'failed', error: { code: 'IN_USE' } });
    expect(show(rig)).toMatchObject({ source: 'there', failover: 'forced' });
    rig.storage.connections.clear();
    rig.storage.mapped.clear();
    rig.storage.write('db', 0, 'after the look');
    expect(await reverse()).toMatchObject({ state: 'failed', error: { code: 'IN_USE' } });
    expect(textOf('db', 14)).toBe('after the look');
  });

  it('is no answer to whether it holds more, as long as it is written', async () => {
    await failover(true);
    rig.storage.mapped.set('db', [mapping('esx-1')]);
    rig.clock.advance(LINK_EVERY_MS);
    await rig.observe();
    expect(control.catalog.replications.byName('dr')?.diverged).toBeUndefined();
    expect(rig.failures).toEqual([]);
  });
});

describe('an old source that has grown', () => {
  it.each([true, false])('has diverged (differences can be told: %s)', async (canDiff) => {
    await send(rig);
    await failover(true);
    const volume = control.catalog.volumes.byId('db');
    if (volume === undefined) throw new Error('no volume');
    await rig.storage.port.resizeVolume(
      { repositoryId: 'here', volumeId: 'db', handle: {} },
      SIZE + CHUNK,
      () => undefined,
      { signal: new AbortController().signal, progress: () => undefined },
    );
    rig.storage.write('db', SIZE, 'only in what was added');
    rig.storage.canDiff = canDiff;
    expect(await reverse()).toMatchObject({ state: 'failed', error: { code: 'IN_USE' } });
    expect(show(rig).state).toBe('split-brain');
  });
});

it('a mapping on its way is waited for before the source is called fenced', async () => {
  control.catalog.hosts.insert({
    ...{ id: 'esx', name: 'esx-1', description: '', iqns: ['iqn.2026-01.com.example:esx'] },
    ...{ addresses: [], createdAt: 0 },
  });
  let go = (): void => undefined;
  let asked = false;
  rig.storage.port.map = async ({ volumeId }) => {
    asked = true;
    await new Promise<void>((resolve) => {
      go = resolve;
    });
    rig.storage.mapped.set(volumeId, [mapping('esx-1')]);
    return mapping('esx-1');
  };
  let mapped: Promise<unknown> | undefined;
  rig.storage.write('db', 0, 'what is sent before the fence');
  rig.replicator.atCheckpoint = async () => {
    mapped ??= mapVolume(control, 'here', 'db', { host: 'esx-1' });
    await expect.poll(() => asked).toBe(true);
  };
  const task = failoverReplication(control, 'dr', {});
  // Until it has been fenced in the catalog, which comes before anybody is asked.
  await expect.poll(() => control.catalog.volumes.byId('db')?.role).toBe('replica');
  go();
  await mapped;
  expect(await ended(control, task)).toMatchObject({ state: 'failed', error: { code: 'IN_USE' } });
  expect(control.catalog.volumes.byId('db')?.role).toBe('volume');
});

describe('a replication that is ended', () => {
  it('by force leaves volumes that can be deleted', async () => {
    await halfSent();
    rig.storage.before = (what) => {
      if (what === 'revert') throw new Fault('UNREACHABLE', 'away');
    };
    await deleteReplication(control, 'dr', { force: true });
    rig.storage.before = () => undefined;
    expect(control.catalog.volumes.byId(replica())?.role).toBe('replica');
    rig.storage.port.deleteVolume = async (_, keep) => keep();
    const task = await ended(control, deleteVolume(control, 'there', 'db'));
    expect(task).toMatchObject({ state: 'succeeded' });
  });

  it('before its first point makes no ordinary volume of what was half sent', async () => {
    const other = replicationRig();
    other.replicator.atCheckpoint = () => {
      throw new Fault('UNREACHABLE', 'the line is cut');
    };
    await protectedVolume(other);
    await deleteReplication(other.control, 'dr', {});
    const half = other.control.catalog.volumes.byId(other.volumeId('there/db'));
    expect(half?.role).toBe('replica');
  });
});

it('says what is wrong when the name of the replica is taken meanwhile', async () => {
  await createReplication(control, { name: 'a', volumes: ['here/log'], target: 'there' });
  const log = control.catalog.volumes.byId('log');
  if (log === undefined) throw new Error('no volume');
  control.catalog.volumes.insert({ ...log, id: 'other', repositoryId: 'there' });
  const before = rig.storage.calls.filter((call) => call === 'create').length;
  const task = await ended(control, runReplication(control, 'a'));
  expect(task).toMatchObject({
    state: 'failed',
    error: { code: 'ALREADY_EXISTS', field: 'volume.name', value: 'log' },
  });
  expect(rig.storage.calls.filter((call) => call === 'create')).toHaveLength(before);
});

describe('a planned failover of the arrays', () => {
  it('that fails half way leaves the source as the side that is written', async () => {
    const other = replicationRig({ linked: true });
    const links = other.links;
    const of = { name: 'dr', volumes: ['here/db', 'here/log'], target: 'there' };
    await createReplication(other.control, of);
    await other.observe();
    const promote = links.promote.bind(links);
    links.promote = async (volume, how) => {
      if (volume.volumeId === other.volumeId('there/log')) {
        throw new Fault('UNREACHABLE', 'the array is away');
      }
      return await promote(volume, how);
    };
    const task = failoverReplication(other.control, 'dr', {});
    expect(await ended(other.control, task)).toMatchObject({ state: 'failed' });
    expect(links.statuses.get('db')?.role).toBe('primary');
    expect(links.statuses.get('log')?.role).toBe('primary');
    expect(links.statuses.get(other.volumeId('there/db'))?.role).toBe('secondary');
    expect(other.control.catalog.volumes.byId('db')?.role).toBe('volume');
    expect(other.control.catalog.volumes.byId(other.volumeId('there/db'))?.role).toBe('replica');
  });
});
