import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { updateVolume } from '../../../../src/control/index.ts';
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

const volumes = () => {
  const { catalog } = rig.rig.control;
  const id = catalog.repositories.byName('store')?.id ?? '';
  return catalog.volumes.page(id, '', 100).map(({ name }) => name);
};

describe('VDI.create', () => {
  it('makes a volume, and a record of all that was said', async () => {
    const vdi = await rig.vdi(sr, {
      ...{ name_label: 'My Disk: 日本', name_description: 'two\nlines', tags: ['a', 'b'] },
      ...{ other_config: new Map([['xo:id', '7']]), type: 'system', virtual_size: 3 * MIB + 1 },
    });
    const record = await rig.record(vdi);
    const [name] = volumes();
    expect(name).toBe('my-disk');
    expect(record).toMatchObject({
      ...{ name_label: 'My Disk: 日本', name_description: 'two\nlines', SR: sr, type: 'system' },
      ...{ tags: ['a', 'b'], managed: true, is_a_snapshot: false, snapshot_of: NULL_REF },
      ...{ read_only: false, missing: false, snapshots: [], VBDs: [], cbt_enabled: false },
      location: record.uuid,
    });
    expect(record.other_config).toEqual(new Map([['xo:id', '7']]));
    expect(record.virtual_size).toBeGreaterThan(3 * MIB);
    expect(record.allowed_operations).toEqual(
      expect.arrayContaining(['snapshot', 'clone', 'copy', 'resize', 'destroy', 'update']),
    );
    expect(record.allowed_operations).not.toContain('data_destroy');
  });

  it('gives as many the same label as ask for it, at once', async () => {
    const made = await Promise.all(Array.from({ length: 12 }, () => rig.vdi(sr)));
    const found = await rig.call('VDI.get_by_name_label', 'disk');
    expect(new Set(found as Ref[])).toEqual(new Set(made));
    expect(new Set(volumes()).size).toBe(12);
  });

  it('takes an empty label, and labels without any letter', async () => {
    const made = await Promise.all([
      rig.vdi(sr, { name_label: '' }),
      rig.vdi(sr, { name_label: '磁盘' }),
    ]);
    const labels = await Promise.all(made.map(async (vdi) => (await rig.record(vdi)).name_label));
    expect(labels).toEqual(['', '磁盘']);
  });

  it('refuses the type that only data_destroy makes, no SR, and no bytes', async () => {
    const given = {
      ...{ SR: sr, virtual_size: MIB, type: 'cbt_metadata', sharable: false, read_only: false },
      ...{ other_config: new Map(), name_label: 'x' },
    };
    expect(await rig.refusal('VDI.create', given)).toEqual([
      ...['VDI_INCOMPATIBLE_TYPE', '', 'cbt_metadata'],
    ]);
    const dead = { ...given, type: 'user', SR: 'OpaqueRef:dead' };
    expect(await rig.refusal('VDI.create', dead)).toEqual([
      'HANDLE_INVALID',
      'SR',
      'OpaqueRef:dead',
    ]);
    const none = { ...given, type: 'user', virtual_size: 0 };
    expect((await rig.refusal('VDI.create', none))[0]).toBe('SR_BACKEND_FAILURE_79');
  });

  it('leaves no volume when what is to be kept is too much', async () => {
    const much = new Map([['k', 'x'.repeat(300_000)]]);
    const given = {
      ...{ SR: sr, virtual_size: MIB, type: 'user', sharable: false, read_only: false },
      ...{ other_config: much, name_label: 'x' },
    };
    expect((await rig.refusal('VDI.create', given))[0]).toBe('SR_BACKEND_FAILURE_202');
    expect(volumes()).toEqual([]);
  });

  it('refuses where nothing is plugged', async () => {
    const { catalog, storage } = rig.rig.control;
    const repository = catalog.repositories.byName('store');
    await storage.detach(repository?.id ?? '', { force: false });
    if (repository !== undefined) catalog.repositories.update({ ...repository, state: 'detached' });
    const given = {
      ...{ SR: sr, virtual_size: MIB, type: 'user', sharable: false, read_only: false },
      ...{ other_config: new Map(), name_label: 'x' },
    };
    expect(await rig.refusal('VDI.create', given)).toEqual(['SR_HAS_NO_PBDS', sr]);
  });
});

describe('names', () => {
  it('shows a rename of either side on both', async () => {
    const vdi = await rig.vdi(sr, { name_label: 'Data' });
    await rig.call('VDI.set_name_label', vdi, 'Other data!');
    expect(volumes()).toEqual(['other-data']);
    updateVolume(rig.rig.control, 'store', 'other-data', { name: 'db', description: 'of db' });
    expect(await rig.record(vdi)).toMatchObject({ name_label: 'db', name_description: 'of db' });
    await rig.call('VDI.set_name_label', vdi, 'DB');
    expect(volumes()).toEqual(['db']);
    expect(await rig.call('VDI.get_name_label', vdi)).toBe('DB');
    await rig.call('VDI.set_name_description', vdi, 'x'.repeat(2_000));
    expect(await rig.call('VDI.get_name_description', vdi)).toBe('x'.repeat(2_000));
  });
});

describe('VDI.destroy', () => {
  it('deletes the volume and all that was kept, and leaves its snapshots', async () => {
    const vdi = await rig.vdi(sr);
    const snapshot = (await rig.call('VDI.snapshot', vdi)) as Ref;
    await rig.call('VDI.destroy', vdi);
    expect(await rig.refusal('VDI.get_record', vdi)).toEqual(['HANDLE_INVALID', 'VDI', vdi]);
    expect(await rig.record(snapshot)).toMatchObject({
      snapshot_of: NULL_REF,
      is_a_snapshot: true,
    });
    const { xenObjects } = rig.rig.control.catalog;
    expect(xenObjects.all('VDI')).toHaveLength(1);
    await rig.call('VDI.destroy', snapshot);
    expect(await rig.call('VDI.get_all')).toEqual([]);
    expect(xenObjects.all('VDI')).toEqual([]);
  });

  it('is refused while somebody reads it', async () => {
    const vdi = await rig.vdi(sr);
    const [name] = volumes();
    await rig.rig.volumes.withExport(`volume/store/${name}`, async () => {
      expect(await rig.refusal('VDI.destroy', vdi)).toEqual(['VDI_IN_USE', vdi, 'destroy']);
    });
    await rig.call('VDI.destroy', vdi);
  });
});

describe('VDI.snapshot and VDI.clone', () => {
  it('takes a snapshot with all that its source says', async () => {
    const vdi = await rig.vdi(sr, { tags: ['x'], other_config: new Map([['k', 'v']]) });
    await rig.write(vdi, 0, Buffer.alloc(4096, 7));
    const before = Date.now();
    const snapshot = (await rig.call('VDI.snapshot', vdi)) as Ref;
    const record = await rig.record(snapshot);
    expect(record).toMatchObject({
      ...{ is_a_snapshot: true, snapshot_of: vdi, read_only: true, SR: sr, tags: ['x'] },
      ...{ name_label: 'disk', virtual_size: MIB, type: 'user' },
    });
    expect(record.other_config.get('k')).toBe('v');
    expect(record.snapshot_time).toBeGreaterThanOrEqual(before);
    expect(record.snapshot_time).toBeLessThanOrEqual(Date.now());
    expect((await rig.record(vdi)).snapshots).toEqual([snapshot]);
    await rig.write(vdi, 0, Buffer.alloc(4096, 8));
    expect((await rig.read(snapshot, 0, 1))[0]).toBe(7);
    expect(await rig.refusal('VDI.snapshot', snapshot)).toEqual([
      ...['OPERATION_NOT_ALLOWED', `VDI is a snapshot: ${snapshot}`],
    ]);
    expect(await rig.refusal('VDI.resize', snapshot, 2 * MIB)).toEqual(['VDI_READONLY', snapshot]);
  });

  it('clones volumes and snapshots, with what they stand on in sm_config', async () => {
    const vdi = await rig.vdi(sr, { name_label: 'A' });
    await rig.write(vdi, 0, Buffer.alloc(4096, 7));
    const snapshot = (await rig.call('VDI.snapshot', vdi)) as Ref;
    const clone = (await rig.call('VDI.clone', snapshot)) as Ref;
    const record = await rig.record(clone);
    expect(record).toMatchObject({ is_a_snapshot: false, read_only: false, name_label: 'A' });
    expect(record.sm_config.get('vhd-parent')).toBe(await rig.call('VDI.get_uuid', snapshot));
    await rig.write(clone, 0, Buffer.alloc(4096, 9));
    expect((await rig.read(vdi, 0, 1))[0]).toBe(7);
    expect((await rig.read(clone, 0, 1))[0]).toBe(9);
    const other = (await rig.call('VDI.clone', vdi)) as Ref;
    expect((await rig.read(other, 0, 1))[0]).toBe(7);
  });

  it('refuses a snapshot of what several write to', async () => {
    const vdi = await rig.vdi(sr, { sharable: true });
    expect(await rig.refusal('VDI.snapshot', vdi)).toEqual(['VDI_IS_SHARABLE', vdi]);
  });

  it('reverts what a snapshot was taken of', async () => {
    const vdi = await rig.vdi(sr);
    await rig.write(vdi, 0, Buffer.alloc(4096, 7));
    const snapshot = (await rig.call('VDI.snapshot', vdi)) as Ref;
    await rig.write(vdi, 0, Buffer.alloc(4096, 8));
    await rig.call('VDI.revert', snapshot);
    expect((await rig.read(vdi, 0, 1))[0]).toBe(7);
    expect(await rig.refusal('VDI.revert', vdi)).toEqual(['ONLY_REVERT_SNAPSHOT']);
  });
});

describe('VDI.resize', () => {
  it('grows, and never shrinks', async () => {
    const vdi = await rig.vdi(sr);
    await rig.call('VDI.resize', vdi, 2 * MIB + 1);
    const { virtual_size: size } = await rig.record(vdi);
    expect(size).toBeGreaterThan(2 * MIB);
    expect((await rig.refusal('VDI.resize', vdi, MIB))[0]).toBe('SR_BACKEND_FAILURE_79');
    expect((await rig.record(vdi)).virtual_size).toBe(size);
    await rig.call('VDI.resize_online', vdi, 3 * MIB);
    expect((await rig.record(vdi)).virtual_size).toBeGreaterThanOrEqual(3 * MIB);
  });
});
