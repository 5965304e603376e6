/** PBDs: plugged, unplugged, destroyed and made again; and what is done with an SR meanwhile. */
import { writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRepository, updateRepository } from '../../../../src/control/index.ts';
import { refOf } from '../../../../src/xenapi/objects/refs.ts';
import { HOST, NONE, StorageRig } from './storage-rig.ts';

let rig: StorageRig;
beforeEach(async () => {
  rig = await StorageRig.open();
});
afterEach(async () => {
  expect(rig.rig.troubles).toEqual([]);
  await rig.close();
});

describe('PBD', () => {
  it('is plugged and unplugged as often as one likes', async () => {
    const sr = await rig.create('a');
    const pbd = await rig.pbdRef(sr);
    for (const attached of [false, false, true, true]) {
      await rig.call(attached ? 'PBD.plug' : 'PBD.unplug', pbd);
      expect((await rig.pbd(sr)).currently_attached).toBe(attached);
      expect(await rig.call('SR.get_live_hosts', sr)).toEqual(attached ? [HOST] : []);
    }
    await rig.call('PBD.unplug', pbd);
    for (const method of ['SR.scan', 'SR.update']) {
      expect(await rig.refusal(method, sr)).toEqual(['SR_HAS_NO_PBDS', sr]);
    }
    expect((await rig.sr(sr)).physical_size).toBeGreaterThan(0); // as it was
  });

  it('is not unplugged while a volume is open, and says which', async () => {
    const sr = await rig.create('a');
    const id = await rig.volume(sr, 'db');
    const opened = await rig.rig.volumes.connect('volume/disks/db');
    const pbd = await rig.pbdRef(sr);
    expect(await rig.refusal('PBD.unplug', pbd)).toEqual(['VDI_IN_USE', refOf('VDI', id)]);
    expect((await rig.pbd(sr)).currently_attached).toBe(true);
    await opened.close();
    await rig.call('PBD.unplug', pbd);
  });

  it('is destroyed when it is not plugged, and another one says where the storage is now', async () => {
    const sr = await rig.create('a', {
      type: 'simulated',
      config: { target: 'one', folder: rig.path('a') },
    });
    const pbd = await rig.pbdRef(sr);
    expect(await rig.refusal('PBD.destroy', pbd)).toEqual([
      ...['OPERATION_NOT_ALLOWED', 'PBD is currently attached'],
    ]);
    const again = { host: HOST, SR: sr, device_config: new Map([['target', 'one']]) };
    expect(await rig.refusal('PBD.create', again)).toEqual(['PBD_EXISTS', sr, HOST, pbd]);
    await rig.call('PBD.unplug', pbd);
    await rig.call('PBD.destroy', pbd);
    expect(await rig.sr(sr)).toMatchObject({ PBDs: [], type: 'simulated' });
    expect(await rig.refusal('PBD.get_record', pbd)).toEqual(['HANDLE_INVALID', 'PBD', pbd]);
    rig = await rig.restarted();
    expect((await rig.sr(sr)).PBDs).toEqual([]); // that, too, is kept
    const config = { target: 'one', folder: rig.path('a'), pageItems: '7' };
    await rig.call('PBD.plug', await rig.createPbd(sr, config));
    const { uuid } = await rig.sr(sr);
    expect(rig.control.catalog.repositories.byId(uuid)?.settings).toMatchObject({ pageItems: 7 });
    expect(await rig.pbd(sr)).toMatchObject({
      currently_attached: true,
      device_config: new Map(Object.entries(config)),
    });
  });

  it('shows what REST has changed in its place', async () => {
    const sr = await rig.create('a', {
      type: 'simulated',
      config: { target: 'one', folder: rig.path('a') },
    });
    await rig.call('PBD.unplug', await rig.pbdRef(sr));
    updateRepository(rig.control, 'disks', { settings: { target: 'one', folder: rig.path('b') } });
    expect((await rig.pbd(sr)).device_config.get('folder')).toBe(rig.path('b'));
  });

  it('refuses what is not for clients to say', async () => {
    const sr = await rig.introduce('');
    const config = new Map([['location', rig.path('a')]]);
    const master = {
      host: HOST,
      SR: sr,
      device_config: new Map([...config, ['SRmaster', 'true']]),
    };
    expect((await rig.refusal('PBD.create', master)).slice(0, 3)).toEqual([
      'VALUE_NOT_SUPPORTED',
      'SRmaster',
      'true',
    ]);
    const foreign = { host: refOf('host', 'x'), SR: sr, device_config: config };
    expect((await rig.refusal('PBD.create', foreign))[0]).toBe('HANDLE_INVALID');
    const nowhere = { host: HOST, SR: refOf('SR', 'x'), device_config: config };
    expect((await rig.refusal('PBD.create', nowhere))[0]).toBe('HANDLE_INVALID');
    const pbd = await rig.createPbd(sr, { location: rig.path('a') });
    expect((await rig.refusal('PBD.set_device_config', pbd, config))[0]).toBe('PERMISSION_DENIED');
    rig.rig.role = 'vm-admin';
    expect((await rig.refusal('PBD.plug', pbd))[0]).toBe('RBAC_PERMISSION_DENIED');
  });

  it('says why its storage cannot be reached, and nobody can write that', async () => {
    const sr = await rig.create('a');
    const { uuid } = await rig.sr(sr);
    const { catalog } = rig.control;
    catalog.transaction(() => {
      const before = catalog.repositories.byId(uuid);
      if (before)
        catalog.repositories.update({ ...before, state: 'unreachable', reason: 'no answer' });
    });
    const pbd = await rig.pbdRef(sr);
    expect(await rig.pbd(sr)).toMatchObject({
      currently_attached: false,
      other_config: new Map([['rootcast-unreachable', 'no answer']]),
    });
    await rig.call('PBD.add_to_other_config', pbd, 'mine', '1');
    expect(catalog.xenObjects.get('PBD', uuid)?.fields['other_config']).toEqual([['mine', '1']]);
    await rig.call('PBD.plug', pbd); // it is attached still: it is asked again
    expect(await rig.pbd(sr)).toMatchObject({
      currently_attached: true,
      other_config: new Map([['mine', '1']]),
    });
  });

  it('takes the storage from another server when that is wished, once', async () => {
    const sr = await rig.create('a');
    const { uuid } = await rig.sr(sr);
    const pbd = await rig.pbdRef(sr);
    await rig.call('PBD.unplug', pbd);
    const marker = JSON.stringify({ repositoryId: uuid, server: 'iqn.other', epoch: 7 });
    const names = await import('node:fs/promises').then((fs) => fs.readdir(rig.path('a')));
    const [file = ''] = names.filter((name) => name.includes('rootcast'));
    await writeFile(`${rig.path('a')}/${file}`, marker);
    expect(await rig.refusal('PBD.plug', pbd)).toEqual(['SR_DEVICE_IN_USE']);
    await rig.call('PBD.add_to_other_config', pbd, 'rootcast-take-over', 'true');
    await rig.call('PBD.plug', pbd);
    expect(await rig.pbd(sr)).toMatchObject({ currently_attached: true, other_config: new Map() });
  });
});

describe('operations of an SR', () => {
  it('are told by what can be done, and what is being done', async () => {
    const sr = await rig.create('a');
    const attached = (await rig.sr(sr)).allowed_operations;
    expect(attached).toEqual(
      expect.arrayContaining(['scan', 'update', 'plug', 'unplug', 'vdi_create', 'vdi_clone']),
    );
    for (const no of ['destroy', 'forget', 'vdi_mirror', 'vdi_set_on_boot'])
      expect(attached).not.toContain(no);
    await rig.call('PBD.unplug', await rig.pbdRef(sr));
    expect((await rig.sr(sr)).allowed_operations).toEqual(
      expect.arrayContaining(['destroy', 'forget']),
    );
    await rig.call('PBD.plug', await rig.pbdRef(sr));
    expect((await rig.sr(sr)).allowed_operations).not.toContain('destroy');
  });

  it('do not disturb each other', async () => {
    const sr = await rig.create('a');
    const pbd = await rig.pbdRef(sr);
    const { storage } = rig.rig.volumes.storage;
    let answer = (): void => undefined;
    const asked = new Promise<void>((asks) => {
      storage.refresh = () =>
        new Promise((resolve) => {
          answer = resolve;
          asks();
        });
    });
    const scan = rig.call('SR.scan', sr);
    await asked;
    const during = await rig.sr(sr);
    expect([...during.current_operations.values()]).toEqual(['scan']);
    expect(during.allowed_operations).not.toContain('unplug');
    const [task] = during.current_operations.keys();
    for (const [method, given] of [
      ['SR.scan', sr],
      ['SR.update', sr],
      ['PBD.unplug', pbd],
    ] as const) {
      expect(await rig.refusal(method, given)).toEqual([
        'OTHER_OPERATION_IN_PROGRESS',
        'SR',
        sr,
        'scan',
        task,
      ]);
    }
    answer();
    await scan;
    expect((await rig.sr(sr)).current_operations).toEqual(new Map());
    await rig.call('PBD.unplug', pbd);
  });

  it('of two that create and two that plug the same end with one SR, plugged', async () => {
    const config = new Map([['location', rig.path('a')]]);
    const given = [HOST, config, 0, 'x', '', 'file', 'user', false, NONE];
    const made = await Promise.allSettled([
      rig.call('SR.create', ...given),
      rig.call('SR.create', ...given),
    ]);
    expect(made.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [sr = ''] = await rig.call<string[]>('SR.get_all');
    expect(rig.control.catalog.repositories.all()).toHaveLength(1);
    const pbd = await rig.pbdRef(sr);
    await rig.call('PBD.unplug', pbd);
    await Promise.all([rig.call('PBD.plug', pbd), rig.call('PBD.plug', pbd)]);
    expect((await rig.pbd(sr)).currently_attached).toBe(true);
    const introduced = await rig.introduce('');
    const other = await rig.createPbd(introduced, { location: rig.path('b') });
    await Promise.all([rig.call('PBD.plug', other), rig.call('PBD.plug', other)]);
    expect((await rig.pbd(introduced)).currently_attached).toBe(true);
  });

  it('wait for their turn while the control plane does all it does at once', async () => {
    const { tasks } = rig.control;
    const release = Promise.withResolvers<void>();
    const others = Array.from({ length: 8 }, () => tasks.start('test', 'x', () => release.promise));
    const made = rig.create('a');
    await new Promise((resolve) => setImmediate(resolve));
    expect(await rig.call('SR.get_all')).toEqual([]);
    release.resolve();
    for (const { id } of others) await tasks.settled(id);
    expect((await rig.pbd(await made)).currently_attached).toBe(true);
  });
});

describe('SR.scan', () => {
  it('finds volumes that have no record, and adopts those of others when that is wished', async () => {
    const sr = await rig.create('a');
    const { uuid } = await rig.sr(sr);
    await writeFile(`${rig.path('a')}/somebody.img`, Buffer.alloc(4096));
    await rig.call('SR.scan', sr);
    expect((await rig.sr(sr)).VDIs).toEqual([]);
    await rig.call('SR.add_to_other_config', sr, 'rootcast-adopt', 'true');
    await rig.call('SR.scan', sr);
    expect((await rig.sr(sr)).VDIs).toHaveLength(1);
    expect(rig.control.catalog.volumes.byName(uuid, 'somebody.img')).toMatchObject({ size: 4096 });
    await rig.call('SR.scan', sr); // and no second time
    expect((await rig.sr(sr)).VDIs).toHaveLength(1);
  });

  it('of an ISO library shows the images that lie there', async () => {
    const config = { location: rig.path('b'), legacy_mode: 'true' };
    await writeFile(`${rig.path('b')}/Debian-13.iso`, Buffer.alloc(8192));
    await writeFile(`${rig.path('b')}/README.txt`, Buffer.alloc(512));
    const sr = await rig.create('b', { type: 'iso', config });
    await rig.call('SR.scan', sr);
    const { uuid, VDIs } = await rig.sr(sr);
    expect(VDIs).toHaveLength(1);
    expect(rig.control.catalog.volumes.byName(uuid, 'debian-13.iso')).toMatchObject({ size: 8192 });
  });

  it('measures, and tells of it', async () => {
    const sr = await rig.create('a');
    const before = await rig.sr(sr);
    rig.rig.volumes.storage.storage.space = async () => ({ total: 1000, free: 400 });
    const { generation } = rig.rig.xen.objects;
    await rig.call('SR.update', sr);
    expect(await rig.sr(sr)).toMatchObject({ physical_size: 1000, physical_utilisation: 600 });
    expect(before.physical_size).not.toBe(1000);
    const changes = [...rig.rig.xen.objects.since(generation)];
    expect(changes.some(({ ref }) => ref === sr)).toBe(true);
    expect(await rig.call('SR.query_data_source', sr, 'free_space')).toBe(400);
    expect(await rig.refusal('SR.query_data_source', sr, 'iops')).toEqual([
      'INVALID_VALUE',
      'data_source',
      'iops',
    ]);
    const names = (await rig.call<{ name_label: string }[]>('SR.get_data_sources', sr)).map(
      ({ name_label }) => name_label,
    );
    expect(names).toEqual([
      'physical_size',
      'physical_utilisation',
      'free_space',
      'virtual_allocation',
      'vdis',
    ]);
  });
});

describe('an SR that is none of a repository', () => {
  it('can be looked at, and nothing else', async () => {
    const ref = refOf('SR', 'vdisks');
    const { objects } = rig.rig.xen;
    const record = { ...(await rig.sr(await rig.create('a'))) };
    const { VDIs: _, PBDs: __, ...rest } = record;
    objects.put(
      'SR',
      ref,
      { ...rest, uuid: 'u', physical_size: 5 },
      { kind: 'vdisk', id: 'vdisks' },
    );
    expect(await rig.sr(ref)).toMatchObject({
      allowed_operations: ['scan', 'update'],
      physical_size: 5,
    });
    await rig.call('SR.scan', ref);
    const refused: [string, ...unknown[]][] = [
      ['SR.forget', ref],
      ['SR.destroy', ref],
      ['SR.set_name_label', ref, 'x'],
      ['SR.set_shared', ref, true],
      ['SR.set_other_config', ref, NONE],
      ['SR.assert_can_host_ha_statefile', ref],
    ];
    for (const call of refused) {
      expect(await rig.refusal(...call)).toEqual(['SR_OPERATION_NOT_SUPPORTED', ref]);
    }
    const pbd = { host: HOST, SR: ref, device_config: NONE };
    expect(await rig.refusal('PBD.create', pbd)).toEqual(['SR_OPERATION_NOT_SUPPORTED', ref]);
  });
});

describe('names', () => {
  it('are changed on either side', async () => {
    const sr = await rig.create('a', { label: 'My Disks' });
    const { uuid } = await rig.sr(sr);
    const repository = () => rig.control.catalog.repositories.byId(uuid);
    await rig.call('SR.set_name_label', sr, 'Ünser (1)');
    expect(repository()?.name).toBe('unser-1');
    expect((await rig.sr(sr)).name_label).toBe('Ünser (1)');
    await rig.call('SR.set_name_label', sr, '…');
    expect(repository()?.name).toBe('sr');
    expect((await rig.sr(sr)).name_label).toBe('…');
    const long = 'x'.repeat(3000);
    await rig.call('SR.set_name_description', sr, long);
    expect((await rig.sr(sr)).name_description).toBe(long);
    expect(repository()?.description.length).toBeLessThan(3000);
    updateRepository(rig.control, 'sr', { name: 'renamed', description: 'by REST' });
    expect(await rig.sr(sr)).toMatchObject({ name_label: 'renamed', name_description: 'by REST' });
    const task = createRepository(rig.control, {
      name: 'other',
      kind: 'local',
      settings: { path: rig.path('b') },
    });
    await rig.control.tasks.settled(task.id);
    await rig.call('SR.set_name_label', sr, 'Other');
    expect(repository()?.name).toBe('other-2');
    expect((await rig.sr(sr)).name_label).toBe('Other');
  });
});
