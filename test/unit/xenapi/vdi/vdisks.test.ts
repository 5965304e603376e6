import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Ref } from '../../../../src/xenapi/datamodel/description.ts';
import { VDISK_SR } from '../../../../src/xenapi/disks/vdisk-sr.ts';
import { NULL_REF, refOf } from '../../../../src/xenapi/objects/refs.ts';
import { CONTROL_DOMAIN } from '../../../../src/xenapi/projections/control-domain.ts';
import { HOST_REF } from '../../../../src/xenapi/projections/site-records.ts';
import { LAYER, VDISK, VERSION } from '../../control/catalog/rows.ts';
import { VdiRig } from './vdi-rig.ts';

let rig: VdiRig;
const vdisk = refOf('VDI', 'v');
const version = (id: string): Ref => refOf('VDI', id);

beforeEach(async () => {
  rig = await VdiRig.open();
  const { catalog } = rig.rig.control;
  catalog.transaction(() => {
    catalog.vdisks.insert(VDISK);
    catalog.layers.insert(LAYER);
    catalog.versions.insert(VERSION);
    catalog.versions.insert({
      ...{ ...VERSION, id: 'v2', number: 2, state: 'test', sealedAt: 7_000 },
    });
  });
});
afterEach(async () => {
  await rig.close();
  expect(rig.rig.troubles).toEqual([]);
});

describe('vDisks', () => {
  it('are an SR of VDIs whose snapshots are the versions', async () => {
    expect(await rig.call('SR.get_record', VDISK_SR)).toMatchObject({
      ...{ name_label: 'vDisks', type: 'rootcast-vdisk', content_type: 'user', shared: true },
    });
    const [pbd] = (await rig.call('SR.get_PBDs', VDISK_SR)) as [Ref];
    expect(await rig.call('PBD.get_record', pbd)).toMatchObject({
      ...{ currently_attached: true, host: HOST_REF, SR: VDISK_SR },
    });
    expect(await rig.record(vdisk)).toMatchObject({
      ...{ uuid: 'v', name_label: 'debian', virtual_size: 4096, read_only: true, managed: true },
      ...{ is_a_snapshot: false, tags: ['version-1'], SR: VDISK_SR },
      allowed_operations: ['copy', 'update', 'generate_config'],
    });
    expect(new Set((await rig.record(vdisk)).snapshots)).toEqual(
      new Set([version('v1'), version('v2')]),
    );
    expect(await rig.record(version('v2'))).toMatchObject({
      ...{ name_label: 'debian version 2', snapshot_of: vdisk, snapshot_time: 7_000 },
      ...{ tags: ['test'], is_a_snapshot: true, location: 'v2' },
    });
  });

  it('follow what becomes of them', async () => {
    await rig.call('VDI.get_all');
    const { catalog } = rig.rig.control;
    catalog.transaction(() =>
      catalog.vdisks.update({ ...VDISK, name: 'bookworm', pinnedVersion: 2 }),
    );
    expect(await rig.record(vdisk)).toMatchObject({ name_label: 'bookworm', tags: ['version-2'] });
    expect(await rig.call('VDI.get_name_label', version('v1'))).toBe('bookworm version 1');
    catalog.transaction(() => catalog.versions.delete(VERSION));
    expect(await rig.refusal('VDI.get_record', version('v1'))).toEqual([
      ...['HANDLE_INVALID', 'VDI', version('v1')],
    ]);
    catalog.transaction(() => catalog.vdisks.delete('v'));
    expect(await rig.call('VDI.get_all')).toEqual([]);
    expect(await rig.call('SR.get_VDIs', VDISK_SR)).toEqual([]);
  });

  it('take the VBDs that show them along', async () => {
    const make = (vdi: Ref) => rig.call('VBD.create', { VM: CONTROL_DOMAIN, VDI: vdi, mode: 'RO' });
    const vbds = [await make(vdisk), await make(version('v1')), await make(version('v2'))];
    const { catalog } = rig.rig.control;
    catalog.transaction(() => catalog.versions.delete(VERSION));
    expect(await rig.call('VBD.get_all')).toEqual([vbds[0], vbds[2]]);
    catalog.transaction(() => catalog.vdisks.delete('v'));
    expect(await rig.call('VBD.get_all')).toEqual([]);
  });

  it('are changed by nothing', async () => {
    const unsupported = ['SR_OPERATION_NOT_SUPPORTED', VDISK_SR];
    for (const [method, ...given] of [
      ['VDI.destroy'],
      ['VDI.snapshot'],
      ['VDI.clone'],
      ['VDI.resize', 1 << 20],
      ['VDI.forget'],
      ['VDI.set_name_label', 'x'],
      ['VDI.set_tags', ['x']],
      ['VDI.set_read_only', false],
      ['VDI.enable_cbt'],
    ] as const) {
      expect(await rig.refusal(method, version('v1'), ...given)).toEqual(unsupported);
    }
    const given = {
      ...{ SR: VDISK_SR, virtual_size: 1 << 20, type: 'user', sharable: false },
      ...{ read_only: false, other_config: new Map() },
    };
    expect(await rig.refusal('VDI.create', given)).toEqual(unsupported);
    expect(await rig.refusal('SR.destroy', VDISK_SR)).toEqual(unsupported);
    const [pbd] = (await rig.call('SR.get_PBDs', VDISK_SR)) as [Ref];
    expect((await rig.refusal('PBD.unplug', pbd))[0]).toBe('SR_OPERATION_NOT_SUPPORTED');
    await rig.call('VDI.update', vdisk);
    const intoVdisk = await rig.refusal('VDI.copy', version('v1'), NULL_REF);
    expect(intoVdisk).toEqual(unsupported);
  });

  it('are copied into a repository, block by block', async () => {
    const sr = await rig.sr('store');
    rig.disks.versions.set('v1', Buffer.alloc(4096, 'v'));
    const made = (await rig.call('VDI.copy', vdisk, sr)) as Ref;
    expect(await rig.record(made)).toMatchObject({
      ...{ SR: sr, read_only: false, is_a_snapshot: false, name_label: 'debian' },
    });
    expect(await rig.read(made, 0, 4096)).toEqual(Buffer.alloc(4096, 'v'));
    const { catalog } = rig.rig.control;
    catalog.transaction(() => catalog.versions.update({ ...VERSION, state: 'test' }));
    expect(await rig.refusal('VDI.copy', vdisk, sr)).toEqual(['VDI_NOT_AVAILABLE', vdisk]);
    expect(await rig.call('SR.get_VDIs', sr)).toEqual([made]);
  });
});
