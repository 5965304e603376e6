/** SRs begin and end: made, forgotten, introduced, destroyed, by XenAPI and by REST. */
import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  attachRepository,
  createRepository,
  createSnapshot,
  deleteRepository,
  detachRepository,
  forgetRepository,
} from '../../../../src/control/index.ts';
import { HOST, NONE, StorageRig } from './storage-rig.ts';

let rig: StorageRig;
beforeEach(async () => {
  rig = await StorageRig.open();
});
afterEach(async () => {
  expect(rig.rig.troubles).toEqual([]);
  await rig.close();
});

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('SR.create', () => {
  it('makes a folder a repository, with a PBD that is plugged', async () => {
    const ref = await rig.create('a', { label: 'My Disks' });
    const sr = await rig.sr(ref);
    expect(sr).toMatchObject({
      ...{ name_label: 'My Disks', name_description: 'My Disks of a test', type: 'file' },
      ...{ content_type: 'user', shared: false, virtual_allocation: 0 },
    });
    expect(sr.uuid).toMatch(UUID);
    expect(sr.physical_size).toBeGreaterThan(0);
    expect(sr.physical_utilisation).toBeGreaterThanOrEqual(0);
    expect(sr.PBDs).toHaveLength(1);
    expect(await rig.pbd(ref)).toMatchObject({
      ...{ host: HOST, SR: ref, currently_attached: true },
      device_config: new Map([['location', rig.path('a')]]),
    });
    expect(rig.control.catalog.repositories.all()).toMatchObject([
      {
        id: sr.uuid,
        name: 'my-disks',
        kind: 'local',
        state: 'attached',
        settings: { path: rig.path('a') },
      },
    ]);
    expect(await rig.call('SR.get_by_name_label', 'My Disks')).toEqual([ref]);
    expect(await rig.call('SR.get_by_uuid', sr.uuid)).toBe(ref);
  });

  it('gives names that nobody has to SRs of the same label', async () => {
    const [first, second] = await Promise.all([rig.create('a'), rig.create('b')]);
    const names = rig.control.catalog.repositories.all().map(({ name }) => name);
    expect(names.sort()).toEqual(['disks', 'disks-2']);
    expect(await rig.call('SR.get_by_name_label', 'disks')).toEqual(
      expect.arrayContaining([first, second]),
    );
  });

  it('leaves nothing behind when the storage cannot be had', async () => {
    await rig.create('b');
    const config = new Map([['location', rig.path('missing')]]);
    const given = [HOST, config, 0, 'no', '', 'file', 'user', false, NONE];
    const [code, first, message] = await rig.refusal('SR.create', ...given);
    expect([code, first]).toEqual(['SR_BACKEND_FAILURE_61', '']);
    expect(message).toContain(rig.path('missing'));
    expect(await rig.call('SR.get_all')).toHaveLength(1);
    expect(await rig.call('PBD.get_all')).toHaveLength(1);
    expect(rig.control.catalog.xenObjects.all('SR')).toHaveLength(1);
    expect(rig.control.catalog.xenObjects.all('PBD')).toHaveLength(1);
    expect(rig.control.catalog.repositories.all()).toHaveLength(1);
  });

  it('does not take storage that is an SR already', async () => {
    await rig.create('a');
    const config = new Map([['location', rig.path('a')]]);
    const given = [HOST, config, 0, 'again', '', 'file', 'user', false, NONE];
    expect((await rig.refusal('SR.create', ...given))[0]).toBe('SR_BACKEND_FAILURE_42');
    expect(await rig.call('SR.get_all')).toHaveLength(1);
  });

  it('refuses what it does not know: drivers, hosts, keys', async () => {
    const make = (type: string, config: Record<string, string>, host = HOST) =>
      rig.refusal(
        'SR.create',
        ...[host, new Map(Object.entries(config)), 0, 'x', '', type, 'user', false, NONE],
      );
    expect(await make('zfs', {})).toEqual(['SR_UNKNOWN_DRIVER', 'zfs']);
    expect(await make('file', {}, 'OpaqueRef:other')).toEqual([
      'HANDLE_INVALID',
      'host',
      'OpaqueRef:other',
    ]);
    expect((await make('file', {}))[0]).toBe('SR_BACKEND_FAILURE_94');
    const location = rig.path('a');
    expect((await make('file', { location, colour: 'red' })).slice(0, 3)).toEqual([
      ...['VALUE_NOT_SUPPORTED', 'colour', ''],
    ]);
    expect(await rig.call('SR.get_all')).toEqual([]);
  });

  it('is ended by its task', async () => {
    rig.rig.volumes.storage.storage.attach = (_request, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
        rig.rig.tasks.cancel([...rig.rig.tasks.aborts.keys()].at(-1) ?? '');
      });
    const config = new Map([['location', rig.path('a')]]);
    const given = [HOST, config, 0, 'x', '', 'file', 'user', false, NONE];
    expect((await rig.refusal('SR.create', ...given))[0]).toBe('TASK_CANCELLED');
    expect(await rig.call('SR.get_all')).toEqual([]);
    expect(rig.control.catalog.repositories.all()).toEqual([]);
  });
});

describe('what REST does', () => {
  it('shows at once as an SR and a PBD, and is gone at once', async () => {
    await rig.rig.repository('nas', rig.path('a'));
    const [ref = ''] = await rig.call<string[]>('SR.get_by_name_label', 'nas');
    expect(await rig.sr(ref)).toMatchObject({ type: 'file', shared: false });
    expect((await rig.pbd(ref)).device_config).toEqual(new Map([['location', rig.path('a')]]));
    await detachRepository(rig.control, 'nas');
    expect((await rig.pbd(ref)).currently_attached).toBe(false);
    const task = attachRepository(rig.control, 'nas', {});
    await rig.control.tasks.settled(task.id);
    expect((await rig.pbd(ref)).currently_attached).toBe(true);
    await rig.call('SR.add_tags', ref, 'gold');
    await deleteRepository(rig.control, 'nas');
    expect(await rig.call('SR.get_all')).toEqual([]);
    expect(await rig.call('PBD.get_all')).toEqual([]);
    expect(rig.control.catalog.xenObjects.all('SR')).toEqual([]);
  });

  it('counts volumes, which keep an SR from being destroyed', async () => {
    const ref = await rig.create('a');
    const id = await rig.volume(ref, 'one', 3 * 1024 * 1024);
    await rig.volume(ref, 'two');
    const full = await rig.sr(ref);
    expect(full.VDIs).toHaveLength(2);
    expect(full.virtual_allocation).toBe(4 * 1024 * 1024);
    const volume = rig.control.catalog.volumes.byId(id);
    if (volume === undefined) throw new Error('no volume');
    const { catalog } = rig.control;
    catalog.transaction(() => catalog.volumes.update({ ...volume, size: 8 * 1024 * 1024 }));
    expect((await rig.sr(ref)).virtual_allocation).toBe(9 * 1024 * 1024);
    await rig.call('PBD.unplug', await rig.pbdRef(ref));
    expect(await rig.refusal('SR.destroy', ref)).toEqual(['SR_NOT_EMPTY']);
  });
});

describe('SR.destroy', () => {
  it('needs a PBD that is not plugged, and an SR that is not indestructible', async () => {
    const ref = await rig.create('a');
    expect(await rig.refusal('SR.destroy', ref)).toEqual(['SR_HAS_PBD', ref]);
    expect(await rig.refusal('SR.forget', ref)).toEqual(['SR_HAS_PBD', ref]);
    const pbd = await rig.pbdRef(ref);
    await rig.call('PBD.unplug', pbd);
    await rig.call('SR.add_to_other_config', ref, 'indestructible', 'true');
    expect(await rig.refusal('SR.destroy', ref)).toEqual(['SR_INDESTRUCTIBLE', ref]);
    await rig.call('SR.remove_from_other_config', ref, 'indestructible');
    await rig.call('PBD.destroy', pbd);
    expect(await rig.refusal('SR.destroy', ref)).toEqual(['SR_HAS_NO_PBDS', ref]);
  });

  it('ends it, and its storage can be an SR again', async () => {
    const ref = await rig.create('a');
    const { uuid } = await rig.sr(ref);
    await rig.call('PBD.unplug', await rig.pbdRef(ref));
    await rig.call('SR.destroy', ref);
    expect(await rig.refusal('SR.get_record', ref)).toEqual(['HANDLE_INVALID', 'SR', ref]);
    expect(await rig.call('PBD.get_all')).toEqual([]);
    const config = new Map([['location', rig.path('a')]]);
    expect(await rig.call('SR.probe', HOST, config, 'file', NONE)).not.toContain(uuid);
    const again = await rig.create('a', { label: 'new' });
    expect(await rig.sr(again)).toMatchObject({ name_label: 'new', other_config: new Map() });
    expect((await rig.pbd(again)).currently_attached).toBe(true);
    expect(await rig.call('SR.probe', HOST, config, 'file', NONE)).toContain(
      `<UUID>${uuid}</UUID>`,
    );
  });
});

describe('an SR that is forgotten', () => {
  const forgotten = async (): Promise<{ uuid: string; volume: string }> => {
    const ref = await rig.create('a', { label: 'first' });
    const { uuid } = await rig.sr(ref);
    const volume = await rig.volume(ref, 'db');
    await rig.call('SR.add_tags', ref, 'gold');
    await rig.call('PBD.unplug', await rig.pbdRef(ref));
    await rig.call('SR.forget', ref);
    expect(await rig.call('SR.get_all')).toEqual([]);
    expect(await rig.call('VDI.get_all')).toEqual([]);
    expect(rig.control.catalog.repositories.all()).toEqual([]);
    return { uuid, volume };
  };

  it('is found again with its volumes when it is introduced', async () => {
    const { uuid, volume } = await forgotten();
    const ref = await rig.introduce(uuid, 'second');
    expect(await rig.sr(ref)).toMatchObject({
      ...{ uuid, name_label: 'second', tags: [], physical_size: -1, physical_utilisation: -1 },
      ...{ PBDs: [], VDIs: [] },
    });
    const pbd = await rig.createPbd(ref, { location: rig.path('a') });
    expect(await rig.pbd(ref)).toMatchObject({ currently_attached: false });
    await rig.call('PBD.plug', pbd);
    const sr = await rig.sr(ref);
    expect(sr.physical_size).toBeGreaterThan(0);
    expect(sr.name_label).toBe('second');
    expect(await rig.call('VDI.get_by_uuid', volume)).toBe(sr.VDIs[0]);
    expect(rig.control.catalog.volumes.byId(volume)).toMatchObject({
      name: 'db',
      repositoryId: uuid,
    });
    await rig.call('PBD.plug', pbd); // again: nothing happens
    const files = await readdir(rig.path('a'));
    expect(
      files.filter((name) => name.startsWith(volume) || name.startsWith('db')).length,
    ).toBeGreaterThan(0);
  });

  it('must lie where the PBD says', async () => {
    const { uuid } = await forgotten();
    await rig.create('b');
    const ref = await rig.introduce(uuid);
    const wrong = await rig.createPbd(ref, { location: rig.path('b') });
    expect((await rig.refusal('PBD.plug', wrong))[0]).toBe('SR_BACKEND_FAILURE_47');
    expect(await rig.sr(ref)).toMatchObject({ uuid, PBDs: [wrong] });
    await rig.call('PBD.destroy', wrong);
    const right = await rig.createPbd(ref, { location: rig.path('a') });
    await rig.call('PBD.plug', right);
    expect((await rig.sr(ref)).VDIs).toHaveLength(1);
  });

  it('is not forgotten with snapshots, unless that is wished', async () => {
    const ref = await rig.create('a');
    await rig.volume(ref, 'db');
    const task = createSnapshot(rig.control, 'disks', { volumes: ['db'], name: 'monday' });
    await rig.control.tasks.settled(task.id);
    await rig.call('PBD.unplug', await rig.pbdRef(ref));
    expect((await rig.refusal('SR.forget', ref))[0]).toBe('OPERATION_NOT_ALLOWED');
    expect(await rig.sr(ref)).toMatchObject({ current_operations: new Map() });
    await rig.call('SR.add_to_other_config', ref, 'rootcast-forget-snapshots', 'true');
    await rig.call('SR.forget', ref);
    expect(await rig.call('SR.get_all')).toEqual([]);
  });

  it('whose snapshots were kept by layers is told of, and its volumes are left alone', async () => {
    const ref = await rig.create('a');
    const { uuid } = await rig.sr(ref);
    await rig.volume(ref, 'db');
    const task = createSnapshot(rig.control, 'disks', { volumes: ['db'], name: 'monday' });
    await rig.control.tasks.settled(task.id);
    const isLayered = rig.control.catalog.volumeNodes.ofRepository(uuid).length > 0;
    await detachRepository(rig.control, 'disks');
    await forgetRepository(rig.control, 'disks');
    const again = await rig.introduce(uuid);
    await rig.call('PBD.plug', await rig.createPbd(again, { location: rig.path('a') }));
    const shown = (await rig.sr(again)).VDIs.length;
    if (isLayered) {
      expect(shown).toBe(0);
      expect((await rig.refusal('SR.scan', again))[0]).toBe('SR_BACKEND_FAILURE_40');
    } else expect(shown).toBe(1);
    rig.rig.troubles.length = 0;
  });
});

describe('SR.introduce', () => {
  it('makes a uuid of its own when it is given none, and takes none twice', async () => {
    const ref = await rig.introduce('');
    const { uuid } = await rig.sr(ref);
    expect(uuid).toMatch(UUID);
    const given = ['x', '', 'file', '', false, NONE];
    expect(await rig.refusal('SR.introduce', uuid, ...given)).toEqual(['SR_UUID_EXISTS', uuid]);
    expect((await rig.refusal('SR.introduce', 'DISK 1', ...given))[0]).toBe('VALUE_NOT_SUPPORTED');
    expect(await rig.refusal('SR.introduce', '', 'x', '', 'smb', '', false, NONE)).toEqual([
      ...['SR_UNKNOWN_DRIVER', 'smb'],
    ]);
    await rig.call('SR.forget', ref);
    expect(await rig.call('SR.get_all')).toEqual([]);
    expect(rig.control.catalog.xenObjects.all('SR')).toEqual([]);
  });

  it('shows that it cannot be destroyed as long as nothing is known of it', async () => {
    const ref = await rig.introduce('');
    await rig.createPbd(ref, { location: rig.path('c') });
    expect(await rig.refusal('SR.destroy', ref)).toEqual(['SR_OPERATION_NOT_SUPPORTED', ref]);
    const { allowed_operations: allowed } = await rig.sr(ref);
    expect(allowed).toContain('forget');
    expect(allowed).not.toContain('destroy');
  });

  it('of a folder in which nothing lies makes it one when it is plugged, under that uuid', async () => {
    const uuid = '11111111-2222-3333-4444-555555555555';
    const ref = await rig.introduce(uuid);
    const pbd = await rig.createPbd(ref, { location: rig.path('c') });
    await rig.call('PBD.plug', pbd);
    expect(rig.control.catalog.repositories.byId(uuid)).toMatchObject({ state: 'attached' });
    expect(await rig.call('SR.get_by_uuid', uuid)).toBe(ref);
    await deleteRepository(rig.control, 'again'); // by REST: nothing of it comes back
    expect(await rig.call('SR.get_all')).toEqual([]);
  });

  it('survives a restart before and after it is plugged', async () => {
    const ref = await rig.introduce('');
    const pbd = await rig.createPbd(ref, { location: rig.path('c') });
    rig = await rig.restarted();
    expect(await rig.sr(ref)).toMatchObject({ name_label: 'again', PBDs: [pbd] });
    await rig.call('PBD.plug', pbd);
    await rig.call('SR.set_name_label', ref, 'Später');
    await rig.call('SR.add_to_sm_config', ref, 'a', 'b');
    await rig.volume(ref, 'db');
    const before = await rig.sr(ref);
    rig = await rig.restarted();
    const after = await rig.sr(ref);
    expect(after).toMatchObject({
      ...{ name_label: 'Später', uuid: before.uuid, PBDs: [pbd], VDIs: before.VDIs },
      sm_config: new Map([['a', 'b']]),
    });
    expect((await rig.pbd(ref)).currently_attached).toBe(false); // not attached again yet
    await rig.call('PBD.plug', pbd);
    expect((await rig.sr(ref)).physical_size).toBe(before.physical_size);
  });
});

describe('what is kept', () => {
  it('of a destroyed SR ends when it lives again, by REST as well', async () => {
    const ref = await rig.create('a');
    const { uuid } = await rig.sr(ref);
    await rig.call('PBD.unplug', await rig.pbdRef(ref));
    await rig.call('SR.destroy', ref);
    const input = { name: 'back', kind: 'local', settings: { path: rig.path('a') } };
    const task = createRepository(rig.control, { ...input, mode: 'existing', repositoryId: uuid });
    await rig.control.tasks.settled(task.id);
    await rig.volume(ref, 'db');
    await detachRepository(rig.control, 'back');
    await forgetRepository(rig.control, 'back');
    const config = new Map([['location', rig.path('a')]]);
    expect(await rig.call('SR.probe', HOST, config, 'file', NONE)).toContain(uuid);
    const given = [HOST, config, 0, 'x', '', 'file', 'user', false, NONE];
    expect((await rig.refusal('SR.create', ...given))[0]).toBe('SR_BACKEND_FAILURE_42');
  });

  it('of a repository that ended just before the service did is gone at its start', async () => {
    const ref = await rig.create('a');
    const { uuid } = await rig.sr(ref);
    await rig.call('SR.add_tags', ref, 'gold');
    const { catalog } = rig.control;
    const rows = ['SR', 'PBD'].map((name) => catalog.xenObjects.get(name, uuid));
    await deleteRepository(rig.control, 'disks');
    expect(await rig.call('SR.get_all')).toEqual([]);
    for (const row of rows) if (row !== undefined) catalog.xenObjects.put(row);
    catalog.xenObjects.put({ class: 'SR', id: 'vdisks', uuid: undefined, fields: {} });
    rig = await rig.restarted();
    const left = rig.control.catalog.xenObjects.all('SR').map(({ id }) => id);
    expect([left, rig.control.catalog.xenObjects.all('PBD')]).toEqual([['vdisks'], []]);
  });
});
