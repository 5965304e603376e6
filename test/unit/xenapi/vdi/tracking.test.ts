import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSnapshot } from '../../../../src/control/index.ts';
import type { Ref } from '../../../../src/xenapi/datamodel/description.ts';
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

const snapshotOf = async (vdi: Ref): Promise<Ref> => (await rig.call('VDI.snapshot', vdi)) as Ref;
const bits = async (from: Ref, to: Ref): Promise<number[]> => {
  const text = (await rig.call('VDI.list_changed_blocks', from, to)) as string;
  const bytes = Buffer.from(text, 'base64');
  return [...bytes].flatMap((byte, at) =>
    Array.from({ length: 8 }, (_, bit) => ((byte >> (7 - bit)) & 1 ? [at * 8 + bit] : [])).flat(),
  );
};

describe('changed block tracking', () => {
  it('is carried over to snapshots, whoever takes them, and not to clones and copies', async () => {
    const vdi = await rig.vdi(sr, { name_label: 'a' });
    await rig.call('VDI.enable_cbt', vdi);
    await rig.call('VDI.enable_cbt', vdi);
    const snapshot = await snapshotOf(vdi);
    const { control } = rig.rig;
    const task = createSnapshot(control, 'store', { volumes: ['a'], name: 'by-rest' });
    await control.tasks.settled(task.id);
    const enabled = async (ref: Ref) => rig.call('VDI.get_cbt_enabled', ref);
    const [byRest] = (await rig.call('VDI.get_by_name_label', 'by-rest')) as [Ref];
    expect(await Promise.all([vdi, snapshot, byRest].map(enabled))).toEqual([true, true, true]);
    const clone = (await rig.call('VDI.clone', vdi)) as Ref;
    const copied = (await rig.call('VDI.copy', snapshot)) as Ref;
    expect(await Promise.all([clone, copied].map(enabled))).toEqual([false, false]);
    await rig.call('VDI.disable_cbt', vdi);
    await rig.call('VDI.disable_cbt', vdi);
    expect(await Promise.all([vdi, snapshot].map(enabled))).toEqual([false, true]);
    expect(await enabled(await snapshotOf(vdi))).toBe(false);
  });

  it('tells which blocks changed, also when the data of the older one is gone', async () => {
    const vdi = await rig.vdi(sr, { virtual_size: 4 * MIB, name_label: 'Some thing' });
    await rig.call('VDI.enable_cbt', vdi);
    const first = await snapshotOf(vdi);
    await rig.write(vdi, 0, Buffer.alloc(512, 1));
    await rig.write(vdi, 3 * MIB, Buffer.alloc(65_536 + 512, 1));
    const second = await snapshotOf(vdi);
    expect(await bits(first, second)).toEqual([0, 48, 49]);
    await rig.call('VDI.data_destroy', first);
    await rig.call('VDI.data_destroy', first);
    const record = await rig.record(first);
    expect(record).toMatchObject({
      ...{ type: 'cbt_metadata', cbt_enabled: true, is_a_snapshot: true, snapshot_of: vdi },
      ...{ name_label: 'Some thing', virtual_size: 4 * MIB, physical_utilisation: 0 },
    });
    expect(record.other_config.get('content_id')).toBe('/No content: this is a cbt_metadata VDI/');
    expect(record.allowed_operations).toEqual([
      ...['destroy', 'forget', 'update', 'generate_config', 'data_destroy', 'list_changed_blocks'],
    ]);
    expect(await bits(first, second)).toEqual([0, 48, 49]);
    expect(await rig.refusal('VDI.clone', first)).toEqual([
      ...['VDI_INCOMPATIBLE_TYPE', first, 'cbt_metadata'],
    ]);
    expect((await rig.refusal('VDI.get_nbd_info', first))[0]).toBe('VDI_INCOMPATIBLE_TYPE');
    await rig.call('VDI.set_name_label', first, 'log');
    await rig.call('VDI.add_to_other_config', first, 'k', 'v');
    expect(await rig.record(first)).toMatchObject({ name_label: 'log' });
    await rig.call('VDI.destroy', first);
    expect(await rig.refusal('VDI.get_record', first)).toEqual(['HANDLE_INVALID', 'VDI', first]);
    expect((await rig.record(vdi)).snapshots).toEqual([second]);
  });

  it('refuses what cannot be compared', async () => {
    const [vdi, other] = [await rig.vdi(sr), await rig.vdi(sr)];
    await rig.call('VDI.enable_cbt', vdi);
    const snapshot = await snapshotOf(vdi);
    const refusal = async (from: Ref, to: Ref) =>
      (await rig.refusal('VDI.list_changed_blocks', from, to))[0];
    expect(await refusal(vdi, vdi)).toBe('SR_BACKEND_FAILURE_460');
    expect(await refusal(snapshot, other)).toBe('SR_BACKEND_FAILURE_460');
    expect(await rig.refusal('VDI.enable_cbt', snapshot)).toEqual([
      ...['OPERATION_NOT_ALLOWED', `VDI is a snapshot: ${snapshot}`],
    ]);
    expect(await rig.refusal('VDI.data_destroy', vdi)).toEqual([
      ...['OPERATION_NOT_ALLOWED', `VDI is not a snapshot: ${vdi}`],
    ]);
    const plain = await snapshotOf(other);
    expect(await rig.refusal('VDI.data_destroy', plain)).toEqual(['VDI_NO_CBT_METADATA', plain]);
    const crash = await rig.vdi(sr, { type: 'crashdump' });
    expect(await rig.refusal('VDI.enable_cbt', crash)).toEqual([
      ...['VDI_INCOMPATIBLE_TYPE', crash, 'crashdump'],
    ]);
    expect(await rig.refusal('VDI.pool_migrate', vdi, sr, new Map())).toEqual([
      ...['VDI_CBT_ENABLED', vdi],
    ]);
    expect(await rig.refusal('VDI.pool_migrate', other, sr, new Map())).toEqual([
      ...['VDI_NEEDS_VM_FOR_MIGRATE', other],
    ]);
  });

  it('waits for VBDs to go before data goes, and gives up', async () => {
    const vdi = await rig.vdi(sr);
    await rig.call('VDI.enable_cbt', vdi);
    const snapshot = await snapshotOf(vdi);
    const given = { VM: CONTROL_DOMAIN, VDI: snapshot, mode: 'RO' };
    const vbd = (await rig.call('VBD.create', given)) as Ref;
    expect(await rig.refusal('VDI.data_destroy', snapshot)).toEqual([
      ...['VDI_IN_USE', snapshot, 'data_destroy'],
    ]);
    expect((await rig.record(snapshot)).type).toBe('user');
    const destroying = rig.call('VDI.data_destroy', snapshot);
    await rig.call('VBD.destroy', vbd);
    await destroying;
    expect((await rig.record(snapshot)).type).toBe('cbt_metadata');
  });
});
