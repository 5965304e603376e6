import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { updateSnapshot } from '../../../../src/control/index.ts';
import type { Ref } from '../../../../src/xenapi/datamodel/description.ts';
import { NULL_REF } from '../../../../src/xenapi/objects/refs.ts';
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

describe('what is told of a VDI', () => {
  it('is what the storage says, when it is asked', async () => {
    const vdi = await rig.vdi(sr);
    expect((await rig.record(vdi)).physical_utilisation).toBe(0);
    await rig.write(vdi, 0, Buffer.alloc(128 * 1024, 1));
    await rig.call('VDI.update', vdi);
    const { physical_utilisation: used } = await rig.record(vdi);
    expect(used).toBeGreaterThanOrEqual(128 * 1024);
    const snapshot = (await rig.call('VDI.snapshot', vdi)) as Ref;
    const before = await rig.record(snapshot);
    await rig.call('VDI.update', snapshot);
    expect(await rig.record(snapshot)).toEqual(before);
  });

  it('are its fields, whoever sets them', async () => {
    const vdi = await rig.vdi(sr);
    await rig.call('VDI.add_tags', vdi, 'a');
    await rig.call('VDI.add_to_other_config', vdi, 'k', 'v');
    await rig.call('VDI.set_xenstore_data', vdi, new Map([['x', 'y']]));
    await rig.call(
      'VDI.set_sm_config',
      vdi,
      new Map([
        ['vhd-parent', 'lie'],
        ['k', 'v'],
      ]),
    );
    await rig.call('VDI.set_sharable', vdi, true);
    await rig.call('VDI.set_read_only', vdi, true);
    await rig.call('VDI.set_allow_caching', vdi, true);
    await rig.call('VDI.set_on_boot', vdi, 'persist');
    expect(await rig.record(vdi)).toMatchObject({
      ...{ tags: ['a'], other_config: new Map([['k', 'v']]), xenstore_data: new Map([['x', 'y']]) },
      ...{ sm_config: new Map([['k', 'v']]), sharable: true, read_only: true, allow_caching: true },
    });
    expect(await rig.refusal('VDI.set_on_boot', vdi, 'reset')).toEqual([
      ...['SR_OPERATION_NOT_SUPPORTED', sr],
    ]);
    const other = await rig.vdi(sr);
    const snapshot = (await rig.call('VDI.snapshot', other)) as Ref;
    expect(await rig.refusal('VDI.set_read_only', snapshot, false)).toEqual([
      'VDI_READONLY',
      snapshot,
    ]);
  });

  it('names of snapshots are changed on either side, too', async () => {
    const vdi = await rig.vdi(sr);
    const snapshot = (await rig.call('VDI.snapshot', vdi)) as Ref;
    await rig.call('VDI.set_name_label', snapshot, 'Before: upgrade');
    const { location } = await rig.record(snapshot);
    const { catalog } = rig.rig.control;
    expect(catalog.snapshots.byId(location)?.name).toBe('before-upgrade');
    updateSnapshot(rig.rig.control, 'store', location, { name: 'after' });
    expect(await rig.call('VDI.get_name_label', snapshot)).toBe('after');
  });

  it('is refused where nothing of it is there', async () => {
    const vdi = await rig.vdi(sr);
    expect(await rig.refusal('VDI.open_database', vdi)).toEqual([
      'VDI_INCOMPATIBLE_TYPE',
      vdi,
      'user',
    ]);
    expect(await rig.call('VDI.read_database_pool_uuid', vdi)).toBe('');
    expect(await rig.refusal('VDI.force_unlock', vdi)).toEqual(['MESSAGE_DEPRECATED']);
    for (const given of [
      ['VDI.db_forget', vdi],
      ['VDI.set_virtual_size', vdi, 2 * MIB],
      ['VDI.set_managed', vdi, false],
      ['VDI.set_snapshot_of', vdi, NULL_REF],
    ] as const) {
      const [method, ...rest] = given;
      expect((await rig.refusal(method, ...rest))[0]).toBe('PERMISSION_DENIED');
    }
    const config = JSON.parse((await rig.call('VDI.generate_config', NULL_REF, vdi)) as string);
    expect(config).toMatchObject({ vdi_uuid: await rig.call('VDI.get_uuid', vdi) });
  });

  it('gives no place to read it by NBD where no network is for that', async () => {
    const vdi = await rig.vdi(sr);
    expect(await rig.call('VDI.get_nbd_info', vdi)).toEqual([]);
  });
});

describe('a replica', () => {
  it('is shown as what only its replication writes', async () => {
    const vdi = await rig.vdi(sr, { name_label: 'copy' });
    const { catalog } = rig.rig.control;
    const { location } = await rig.record(vdi);
    const volume = catalog.volumes.byId(location);
    if (volume === undefined) throw new Error('it is gone');
    catalog.transaction(() => catalog.volumes.update({ ...volume, role: 'replica' }));
    const record = await rig.record(vdi);
    expect(record).toMatchObject({ read_only: true, managed: true });
    expect(record.sm_config.get('rootcast-role')).toBe('replica');
    expect(record.allowed_operations).toEqual(['destroy', 'forget', 'update', 'generate_config']);
    for (const method of ['VDI.snapshot', 'VDI.clone', 'VDI.copy', 'VDI.enable_cbt']) {
      expect((await rig.refusal(method, vdi))[0]).toBe('OPERATION_NOT_ALLOWED');
    }
    expect(await rig.refusal('VDI.set_read_only', vdi, false)).toEqual(['VDI_READONLY', vdi]);
    catalog.transaction(() => catalog.volumes.update({ ...volume, role: 'volume' }));
    expect((await rig.record(vdi)).read_only).toBe(false);
  });
});

describe('many at once', () => {
  it('wait for their turn, more than the control plane runs at once', async () => {
    const made = await Promise.all(Array.from({ length: 30 }, () => rig.vdi(sr)));
    await Promise.all(made.map((vdi) => rig.call('VDI.snapshot', vdi)));
    expect(await rig.call('VDI.get_all')).toHaveLength(60);
  });

  it('do not do two things with one VDI', async () => {
    const vdi = await rig.vdi(sr);
    const outcomes = await Promise.allSettled([
      rig.call('VDI.snapshot', vdi),
      rig.call('VDI.snapshot', vdi),
    ]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const [refused] = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(refused.description.slice(0, 4)).toEqual([
      ...['OTHER_OPERATION_IN_PROGRESS', 'VDI', vdi, 'snapshot'],
    ]);
  });
});
