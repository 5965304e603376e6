import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createVolume, openCatalog } from '../../../../src/control/index.ts';
import type { Ref } from '../../../../src/xenapi/datamodel/description.ts';
import { NULL_REF } from '../../../../src/xenapi/objects/refs.ts';
import { CONTROL_DOMAIN } from '../../../../src/xenapi/projections/control-domain.ts';
import { MIB, VdiRig } from './vdi-rig.ts';

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

const make = async (vdi: Ref, more: Readonly<Record<string, unknown>> = {}): Promise<Ref> =>
  (await rig.call('VBD.create', { VM: CONTROL_DOMAIN, VDI: vdi, mode: 'RW', ...more })) as Ref;

describe('VBD', () => {
  it('shows up in its VDI and in the control domain', async () => {
    const vdi = await rig.vdi(sr);
    const vbd = await make(vdi, { userdevice: 'autodetect', bootable: true });
    expect(await rig.call('VBD.get_record', vbd)).toMatchObject({
      ...{ VDI: vdi, VM: CONTROL_DOMAIN, userdevice: '0', device: '', bootable: true },
      ...{ currently_attached: false, empty: false, type: 'Disk', mode: 'RW' },
      allowed_operations: ['attach', 'plug'],
    });
    expect((await rig.record(vdi)).VBDs).toEqual([vbd]);
    expect(await rig.call('VM.get_record', CONTROL_DOMAIN)).toMatchObject({
      ...{ VBDs: [vbd], is_control_domain: true, power_state: 'Running', domid: 0 },
    });
    const devices = (await rig.call('VM.get_allowed_VBD_devices', CONTROL_DOMAIN)) as string[];
    expect(devices.slice(0, 2)).toEqual(['1', '2']);
  });

  it('keeps its VDI in use while it is plugged', async () => {
    const vdi = await rig.vdi(sr);
    const vbd = await make(vdi);
    await rig.call('VBD.plug', vbd);
    const uuid = await rig.call('VDI.get_uuid', vdi);
    expect(await rig.call('VBD.get_record', vbd)).toMatchObject({
      ...{ currently_attached: true, device: `rootcast/${String(uuid)}` },
      allowed_operations: ['unplug', 'unplug_force'],
    });
    const { allowed_operations: allowed } = await rig.record(vdi);
    expect(allowed).toEqual(expect.arrayContaining(['snapshot', 'clone', 'resize_online']));
    for (const operation of ['destroy', 'resize', 'copy', 'forget', 'update'] as const) {
      expect(allowed).not.toContain(operation);
    }
    expect(await rig.refusal('VDI.destroy', vdi)).toEqual(['VDI_IN_USE', vdi, 'destroy']);
    expect(await rig.refusal('VDI.resize', vdi, 2 * MIB)).toEqual(['VDI_IN_USE', vdi, 'resize']);
    expect(await rig.refusal('VBD.plug', vbd)).toEqual(['DEVICE_ALREADY_ATTACHED', vbd]);
    expect((await rig.refusal('VBD.destroy', vbd))[0]).toBe('OPERATION_NOT_ALLOWED');
    await rig.call('VDI.snapshot', vdi);
    await rig.call('VBD.unplug', vbd);
    expect(await rig.refusal('VBD.unplug', vbd)).toEqual(['DEVICE_ALREADY_DETACHED', vbd]);
    await rig.call('VDI.destroy', vdi);
    expect(await rig.call('VBD.get_all')).toEqual([]);
  });

  it('goes with its VDI, whoever deletes that, unless it is plugged', async () => {
    const [gone, stays] = [await rig.vdi(sr), await rig.vdi(sr)];
    const [vbd, other, ofOther] = [await make(gone), await make(gone), await make(stays)];
    await rig.call('VBD.plug', vbd);
    const { location } = await rig.record(gone);
    const { catalog } = rig.rig.control;
    catalog.transaction(() => catalog.volumes.delete(location)); // as if its storage had lost it
    expect(await rig.call('VBD.get_all')).toEqual([vbd, ofOther]);
    expect((await rig.refusal('VBD.get_record', other))[0]).toBe('HANDLE_INVALID');
    await rig.call('VBD.unplug', vbd);
    await rig.call('VBD.destroy', vbd);
    expect(await rig.call('VBD.get_all')).toEqual([ofOther]);
  });

  it('goes with its VDI when the service ended between the two', async () => {
    const path = join(rig.folder.path, 'catalog');
    const first = await VdiRig.open({ path, folder: rig.folder });
    const firstSr = await first.sr('shelf');
    const { control } = first.rig;
    // By REST: nothing is kept of the VDI itself.
    const { id } = createVolume(control, 'shelf', { name: 'gone', size: MIB });
    await control.tasks.settled(id);
    const [vdi] = (await first.call('VDI.get_by_name_label', 'gone')) as [Ref];
    const { location } = await first.record(vdi);
    const given = { VM: CONTROL_DOMAIN, mode: 'RW' };
    await first.call('VBD.create', { ...given, VDI: vdi });
    const stays = await first.call('VBD.create', { ...given, VDI: await first.vdi(firstSr) });
    await first.rig.close();
    const catalog = openCatalog(path);
    catalog.transaction(() => catalog.volumes.delete(location));
    catalog.close();
    const second = await VdiRig.open({ path, folder: rig.folder });
    expect(await second.call('VBD.get_all')).toEqual([stays]);
    expect(second.rig.troubles).toEqual([]);
    await second.rig.close();
  });

  it('lets one write or many read', async () => {
    const vdi = await rig.vdi(sr);
    const [writer, reader, other] = [
      await make(vdi),
      await make(vdi, { mode: 'RO' }),
      await make(vdi, { mode: 'RO' }),
    ];
    await rig.call('VBD.plug', reader);
    await rig.call('VBD.plug', other);
    expect(await rig.refusal('VBD.plug', writer)).toEqual(['VDI_IN_USE', vdi, 'plug']);
    expect(await rig.refusal('VBD.assert_attachable', writer)).toEqual(['VDI_IN_USE', vdi, 'plug']);
    const copied = (await rig.call('VDI.copy', vdi)) as Ref;
    expect((await rig.record(copied)).virtual_size).toBe(MIB);
    await rig.call('VBD.unplug', reader);
    await rig.call('VBD.unplug_force', other);
    await rig.call('VBD.plug', writer);
    expect(await rig.refusal('VBD.plug', reader)).toEqual(['VDI_IN_USE', vdi, 'plug']);
    expect(await rig.refusal('VDI.copy', vdi)).toEqual(['VDI_IN_USE', vdi, 'copy']);
    await rig.call('VBD.unplug', writer);
  });

  it('refuses to write to what is read-only', async () => {
    const vdi = await rig.vdi(sr);
    const snapshot = (await rig.call('VDI.snapshot', vdi)) as Ref;
    const given = { VM: CONTROL_DOMAIN, VDI: snapshot, mode: 'RW' };
    expect(await rig.refusal('VBD.create', given)).toEqual(['VDI_READONLY', snapshot]);
    const vbd = await make(snapshot, { mode: 'RO' });
    expect(await rig.refusal('VBD.set_mode', vbd, 'RW')).toEqual(['VDI_READONLY', snapshot]);
    await rig.call('VBD.plug', vbd);
    await rig.call('VBD.unplug', vbd);
  });

  it('has CD drives that may be empty', async () => {
    const vdi = await rig.vdi(sr);
    const cd = await make(NULL_REF, { type: 'CD', empty: true, mode: 'RO' });
    expect(await rig.refusal('VBD.plug', cd)).toEqual(['VBD_IS_EMPTY', cd]);
    expect(await rig.refusal('VBD.eject', cd)).toEqual(['VBD_IS_EMPTY', cd]);
    await rig.call('VBD.insert', cd, vdi);
    expect(await rig.refusal('VBD.insert', cd, vdi)).toEqual(['VBD_NOT_EMPTY', cd]);
    await rig.call('VBD.plug', cd);
    await rig.call('VBD.eject', cd);
    expect(await rig.call('VBD.get_record', cd)).toMatchObject({
      ...{ empty: true, VDI: NULL_REF, currently_attached: false },
    });
    const disk = await make(vdi);
    expect(await rig.refusal('VBD.eject', disk)).toEqual(['VBD_NOT_REMOVABLE_MEDIA', disk]);
    const wrong = { VM: CONTROL_DOMAIN, VDI: vdi, mode: 'RW', type: 'CD' };
    expect(await rig.refusal('VBD.create', wrong)).toEqual(['VBD_CDS_MUST_BE_READONLY']);
    const empty = { VM: CONTROL_DOMAIN, VDI: vdi, mode: 'RW', empty: true };
    expect((await rig.refusal('VBD.create', empty))[0]).toBe('VBD_NOT_REMOVABLE_MEDIA');
  });

  it('refuses devices that are taken, and VMs that are not there', async () => {
    const vdi = await rig.vdi(sr);
    await make(vdi, { userdevice: '3' });
    const given = { VM: CONTROL_DOMAIN, VDI: vdi, mode: 'RO' };
    expect(await rig.refusal('VBD.create', { ...given, userdevice: 'xvdd' })).toEqual([
      ...['DEVICE_ALREADY_EXISTS', 'xvdd'],
    ]);
    expect(await rig.refusal('VBD.create', { ...given, userdevice: 'tape' })).toEqual([
      ...['INVALID_DEVICE', 'tape'],
    ]);
    expect(await rig.refusal('VBD.create', { ...given, VM: 'OpaqueRef:x' })).toEqual([
      ...['HANDLE_INVALID', 'VM', 'OpaqueRef:x'],
    ]);
  });
});
