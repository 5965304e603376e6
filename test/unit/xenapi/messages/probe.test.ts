/** SR.probe and SR.probe_ext over what an adapter finds; and what is read of a driver. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProbeView } from '../../../../src/control/index.ts';
import type { RecordOf } from '../../../../src/xenapi/datamodel/description.ts';
import type { SM } from '../../../../src/xenapi/datamodel/sm.ts';
import { choicesXml, listXml } from '../../../../src/xenapi/messages/sr/probe-xml.ts';
import { HOST, NONE, StorageRig } from './storage-rig.ts';

let rig: StorageRig;
beforeEach(async () => {
  rig = await StorageRig.open();
});
afterEach(async () => {
  expect(rig.rig.troubles).toEqual([]);
  await rig.close();
});

type Finding = ProbeView['found'][number];
const finding = (more: Partial<Finding>): Finding => ({
  ...{ value: 'v', description: 'd', settings: {}, size: null, holds: null },
  ...more,
});

describe('SR.probe', () => {
  it('lists the SR that lies there, also while it is plugged', async () => {
    const config = new Map([['location', rig.path('a')]]);
    const probe = (): Promise<string> => rig.call('SR.probe', HOST, config, 'file', NONE);
    expect(await probe()).toBe('<?xml version="1.0" ?>\n<SRlist>\n</SRlist>\n');
    const { uuid } = await rig.sr(await rig.create('a', { label: 'Disks' }));
    const found = await probe();
    expect(found).toContain(`<UUID>${uuid}</UUID>`);
    expect(found).toContain('<name_label>Disks</name_label>');
    expect((await rig.refusal('SR.probe', HOST, NONE, 'file', NONE))[0]).toBe(
      'SR_BACKEND_FAILURE_94',
    );
    const missing = new Map([['location', rig.path('missing')]]);
    expect((await rig.refusal('SR.probe', HOST, missing, 'file', NONE))[0]).toBe(
      'SR_BACKEND_FAILURE_61',
    );
    expect(await rig.call('SR.get_all')).toHaveLength(1);
  });

  it('answers with values, too', async () => {
    const sr = await rig.create('a');
    const { uuid, physical_size: size } = await rig.sr(sr);
    const config = new Map([['location', rig.path('a')]]);
    const [found, more] = await rig.call<Record<string, unknown>[]>(
      'SR.probe_ext',
      HOST,
      config,
      'file',
      NONE,
    );
    expect(more).toBeUndefined();
    expect(found).toMatchObject({ configuration: config, complete: true });
    expect(found?.['sr']).toMatchObject({ uuid, total_space: size, health: 'healthy' });
  });

  it('is ended by its task', async () => {
    rig.rig.volumes.storage.storage.probe = (_target, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
        rig.rig.tasks.cancel([...rig.rig.tasks.aborts.keys()].at(-1) ?? '');
      });
    const config = new Map([['location', rig.path('a')]]);
    expect((await rig.refusal('SR.probe', HOST, config, 'file', NONE))[0]).toBe('TASK_CANCELLED');
  });
});

describe('the XML of probes', () => {
  it('escapes what arrays say', () => {
    const xml = choicesXml(
      'nfs-exports',
      [finding({ value: '/a<b>&c\u0001', description: 'for "x"' })],
      new Map([['server', 'nas']]),
    );
    expect(xml).toContain('<Path>/a&lt;b&gt;&amp;c</Path>');
    expect(xml).toContain('<Accesslist>for "x"</Accesslist>');
  });

  it('has a target for each of its portals', () => {
    const portals = ['10.0.0.1:3260', '[fd00::1]:3261'];
    const xml = choicesXml(
      'iscsi-target-iqns',
      [finding({ value: 'iqn.a', settings: { portals } })],
      NONE,
    );
    expect(xml.match(/<TGT>/g)).toHaveLength(2);
    expect(xml).toContain('<IPAddress>fd00::1</IPAddress>\n\t\t<Port>3261</Port>');
  });

  it('has an element for everything that clients take the text of', () => {
    const disk = { vendor: 'V', product: 'P', serial: '', paths: 2 };
    const device = finding({ value: '/dev/dm-1', settings: { SCSIid: '3600' }, size: 7, disk });
    const xml = choicesXml('Devlist', [device], NONE);
    for (const name of [
      'path',
      'numpaths',
      'SCSIid',
      'vendor',
      'serial',
      'size',
      'adapter',
      'channel',
      'id',
      'lun',
      'hba',
    ]) {
      expect(xml).toMatch(new RegExp(`<${name}>[^<]+</${name}>`));
    }
    const lun = finding({ value: '3600', settings: { LUNid: 3 }, size: 7, disk });
    expect(choicesXml('iscsi-target', [lun], NONE)).toContain('<LUNid>3</LUNid>');
    const held = finding({ size: 9, holds: { repositoryId: 'u', name: null } });
    expect(listXml([held], new Map([['target', 't']]))).toContain(
      '<UUID>u</UUID>\n\t\t<size>9</size>\n\t\t<Target>t</Target>',
    );
  });
});

describe('SM', () => {
  it('has a record for each type that is served, with what it needs and can', async () => {
    const types = await rig.call<string[]>('SR.get_supported_types');
    expect(types).toEqual(['file', 'local', 'iso', 'simulated']);
    const records = await rig.call<Map<string, RecordOf<typeof SM>>>('SM.get_all_records');
    expect([...records.values()].map(({ type }) => type)).toEqual(types);
    const file = [...records.values()].find(({ type }) => type === 'file');
    expect(file?.configuration.get('location')).toMatch(/folder/i);
    expect(file?.features.get('VDI_CREATE')).toBe(1);
    expect(file?.capabilities).toEqual([...(file?.features.keys() ?? [])]);
    const simulated = [...records.values()].find(({ type }) => type === 'simulated');
    expect([...(simulated?.configuration.keys() ?? [])]).toContain('chappassword_secret');
  });

  it('keeps what clients set', async () => {
    const [ref = ''] = await rig.call<string[]>('SM.get_all');
    await rig.call('SM.set_other_config', ref, new Map([['a', 'b']]));
    rig = await rig.restarted();
    expect(await rig.call('SM.get_other_config', ref)).toEqual(new Map([['a', 'b']]));
  });
});

describe('what no SR can', () => {
  it('is refused in the words of XenAPI', async () => {
    const sr = await rig.create('a');
    expect(await rig.refusal('SR.assert_can_host_ha_statefile', sr)).toEqual([
      'SR_OPERATION_NOT_SUPPORTED',
      sr,
    ]);
    expect(await rig.refusal('SR.assert_supports_database_replication', sr)).toEqual([
      'SR_OPERATION_NOT_SUPPORTED',
      sr,
    ]);
    for (const method of [
      'set_physical_size',
      'set_virtual_allocation',
      'set_physical_utilisation',
    ]) {
      expect((await rig.refusal(`SR.${method}`, sr, 5))[0]).toBe('PERMISSION_DENIED');
    }
    const given = [HOST, NONE, 0, 'x', '', 'file', 'user', NONE];
    expect(await rig.refusal('SR.make', ...given)).toEqual(['MESSAGE_DEPRECATED']);
  });
});
