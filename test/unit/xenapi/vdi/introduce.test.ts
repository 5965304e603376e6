import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deleteVolume } from '../../../../src/control/index.ts';
import type { Ref } from '../../../../src/xenapi/datamodel/description.ts';
import { showForgotten } from '../../../../src/xenapi/disks/forgotten.ts';
import { NULL_REF } from '../../../../src/xenapi/objects/refs.ts';
import { VdiRig } from './vdi-rig.ts';

let rig: VdiRig;
let sr: Ref;

beforeEach(async () => {
  rig = await VdiRig.open();
  sr = await rig.sr('store');
});
afterEach(async () => {
  await rig.close();
  expect(rig.rig.troubles).toEqual([]);
});

const UUID = '0b4a8d5e-0000-4000-8000-000000000001';
const introducing = (location: string, more: { uuid?: string; label?: string } = {}) => [
  ...[more.uuid ?? '', more.label ?? '', '', sr, 'user', false, false, new Map([['k', 'v']])],
  location,
];

describe('VDI.forget and VDI.introduce', () => {
  it('want an SR that is plugged', async () => {
    const given = ['', 'new', '', 'file', '', false, new Map()];
    const introduced = (await rig.call('SR.introduce', ...given)) as Ref;
    const refusal = ['SR_HAS_NO_PBDS', introduced];
    const struct = { SR: introduced, virtual_size: 512, type: 'user', other_config: new Map() };
    const flags = { sharable: false, read_only: false };
    expect(await rig.refusal('VDI.create', { ...struct, ...flags })).toEqual(refusal);
    const vdi = await rig.vdi(sr);
    expect(await rig.refusal('VDI.copy', vdi, introduced, NULL_REF, NULL_REF)).toEqual(refusal);
  });

  it('drop the record and show it again, and leave the volume', async () => {
    const vdi = await rig.vdi(sr, { name_label: 'Data', tags: ['kept'] });
    const snapshot = (await rig.call('VDI.snapshot', vdi)) as Ref;
    await rig.write(vdi, 0, Buffer.alloc(512, 7));
    const { location } = await rig.record(vdi);
    await rig.call('VDI.forget', vdi);
    expect(await rig.refusal('VDI.get_record', vdi)).toEqual(['HANDLE_INVALID', 'VDI', vdi]);
    expect((await rig.record(snapshot)).snapshot_of).toBe(NULL_REF);
    expect(rig.rig.control.catalog.volumes.byId(location)?.name).toBe('data');
    const again = await rig.call('VDI.introduce', ...introducing(location, { uuid: UUID }));
    expect(again).toBe(vdi);
    expect(await rig.record(vdi)).toMatchObject({
      ...{ uuid: UUID, location, name_label: 'Data', tags: ['kept'], snapshots: [snapshot] },
      other_config: new Map([['k', 'v']]),
    });
    expect(await rig.call('VDI.get_by_uuid', UUID)).toBe(vdi);
    expect(await rig.refusal('VDI.get_by_uuid', location)).toEqual([
      'UUID_INVALID',
      'VDI',
      location,
    ]);
    expect((await rig.read(vdi, 0, 1))[0]).toBe(7);
    const clone = (await rig.call('VDI.clone', vdi)) as Ref;
    expect((await rig.record(clone)).sm_config.get('vhd-parent')).toBe(UUID);
  });

  it('refuse what is shown already, uuids of others, and what is not there', async () => {
    const vdi = await rig.vdi(sr);
    const { uuid, location } = await rig.record(vdi);
    const refusal = (...given: Parameters<typeof introducing>) =>
      rig.refusal('VDI.introduce', ...introducing(...given));
    expect(await refusal(location)).toEqual(['LOCATION_NOT_UNIQUE', sr, location]);
    expect(await refusal('elsewhere', { uuid })).toEqual(['UUID_INVALID', 'VDI', uuid]);
    expect(await refusal('elsewhere', { uuid: 'no uuid' })).toEqual([
      'UUID_INVALID',
      'VDI',
      'no uuid',
    ]);
    await rig.call('VDI.forget', vdi);
    expect(await refusal('elsewhere', { uuid })).toEqual(['UUID_INVALID', 'VDI', uuid]);
    const [code] = await refusal('elsewhere');
    expect(['VDI_LOCATION_MISSING', 'SR_OPERATION_NOT_SUPPORTED']).toContain(code);
    expect(await rig.call('VDI.introduce', ...introducing(location, { uuid, label: 'New' }))).toBe(
      vdi,
    );
    expect(await rig.record(vdi)).toMatchObject({ uuid, name_label: 'New' });
  });

  it('are undone by a scan', async () => {
    const vdi = await rig.vdi(sr);
    const snapshot = (await rig.call('VDI.snapshot', vdi)) as Ref;
    await rig.call('VDI.forget', vdi);
    await rig.call('VDI.forget', snapshot);
    expect(await rig.call('VDI.get_all')).toEqual([]);
    showForgotten(rig.rig.xen, rig.rig.control.catalog.repositories.byName('store')?.id ?? '');
    expect(new Set((await rig.call('VDI.get_all')) as Ref[])).toEqual(new Set([vdi, snapshot]));
    expect((await rig.record(snapshot)).snapshot_of).toBe(vdi);
  });

  it('a forgotten volume that is deleted leaves nothing behind', async () => {
    const vdi = await rig.vdi(sr, { name_label: 'gone' });
    await rig.call('VDI.forget', vdi);
    const { control } = rig.rig;
    const task = deleteVolume(control, 'store', 'gone');
    await control.tasks.settled(task.id);
    expect(await rig.call('VDI.get_all')).toEqual([]);
    expect(control.catalog.xenObjects.all('VDI')).toEqual([]);
    expect(control.catalog.xenObjects.all('VDI:forgotten')).toEqual([]);
  });
});
