import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlockError } from '../../../../src/errors/index.ts';
import type { Ref } from '../../../../src/xenapi/datamodel/description.ts';
import { NULL_REF, refOf } from '../../../../src/xenapi/objects/refs.ts';
import { until } from '../../../support/until.ts';
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

const copy = async (...given: readonly unknown[]): Promise<Ref> =>
  (await rig.call('VDI.copy', ...given)) as Ref;
const whole = (vdi: Ref): Promise<Buffer> => rig.read(vdi, 0, 2 * MIB);
/** No matcher: what it would tell of two buffers that differ takes minutes. */
const isSame = async (one: Ref, other: Ref): Promise<boolean> =>
  (await whole(one)).equals(await whole(other));
const twoMib = () => rig.vdi(sr, { virtual_size: 2 * MIB });

describe('VDI.copy', () => {
  it('makes one in another SR that stands on nothing', async () => {
    const other = await rig.sr('other');
    const vdi = await rig.vdi(sr, { virtual_size: 2 * MIB, tags: ['t'], name_label: 'A' });
    await rig.write(vdi, 512, Buffer.alloc(1024, 5));
    const snapshot = (await rig.call('VDI.snapshot', vdi)) as Ref;
    const made = await copy(snapshot, other);
    expect(await rig.record(made)).toMatchObject({
      ...{ SR: other, is_a_snapshot: false, read_only: false, tags: ['t'], name_label: 'A' },
      ...{ virtual_size: 2 * MIB, sm_config: new Map(), snapshot_of: NULL_REF },
    });
    expect(await isSame(made, snapshot)).toBe(true);
    const here = await copy(vdi);
    expect((await rig.record(here)).SR).toBe(sr);
    expect(await isSame(here, vdi)).toBe(true);
  });

  it('lays a difference over a copy of its base, zeroes among it', async () => {
    const vdi = await twoMib();
    await rig.write(vdi, 0, Buffer.alloc(MIB, 'a'));
    const snapshot = (await rig.call('VDI.snapshot', vdi)) as Ref;
    await rig.write(vdi, 0, Buffer.alloc(512, 'b'));
    await rig.write(vdi, 512 * 1024, Buffer.alloc(2 * 65_536));
    const backup = await copy(snapshot, sr, NULL_REF, NULL_REF);
    const delta = await copy(vdi, sr, snapshot, NULL_REF);
    expect((await rig.read(delta, 256 * 1024, 1))[0]).toBe(0);
    expect(await copy(delta, NULL_REF, NULL_REF, backup)).toBe(backup);
    expect(await isSame(backup, vdi)).toBe(true);
  });

  it('leaves what is there where the source has holes', async () => {
    const [from, into] = await Promise.all([twoMib(), twoMib()]);
    await rig.write(from, 64 * 1024, Buffer.alloc(512, 1));
    await rig.write(into, 0, Buffer.alloc(2 * MIB, 9));
    await copy(from, NULL_REF, NULL_REF, into);
    const bytes = await whole(into);
    expect([bytes[0], bytes[64 * 1024], bytes[MIB]]).toEqual([9, 1, 9]);
  });

  it('writes what differs from the base, and nothing else', async () => {
    const [from, base, into] = await Promise.all([twoMib(), twoMib(), twoMib()]);
    await rig.write(from, 0, Buffer.alloc(4096, 1));
    await rig.write(base, MIB, Buffer.alloc(4096, 2));
    await rig.write(into, 0, Buffer.alloc(2 * MIB, 9));
    await copy(from, NULL_REF, base, into);
    const bytes = await whole(into);
    // The block that only the base has reads as zeroes in the source.
    expect([bytes[0], bytes[MIB], bytes[MIB / 2]]).toEqual([1, 0, 9]);
  });

  it('refuses targets that are smaller, read-only, or the source', async () => {
    const vdi = await twoMib();
    const small = await rig.vdi(sr);
    expect(await rig.refusal('VDI.copy', vdi, NULL_REF, NULL_REF, small)).toEqual([
      ...['VDI_TOO_SMALL', small, String(2 * MIB)],
    ]);
    const snapshot = (await rig.call('VDI.snapshot', vdi)) as Ref;
    expect(await rig.refusal('VDI.copy', vdi, NULL_REF, NULL_REF, snapshot)).toEqual([
      ...['VDI_READONLY', snapshot],
    ]);
    expect((await rig.refusal('VDI.copy', vdi, NULL_REF, NULL_REF, vdi))[0]).toBe(
      'OPERATION_NOT_ALLOWED',
    );
    const inVdisks = await rig.refusal('VDI.copy', vdi, refOf('SR', 'vdisks'));
    expect(inVdisks).toEqual(['SR_OPERATION_NOT_SUPPORTED', refOf('SR', 'vdisks')]);
  });

  it('refuses a target that somebody has open', async () => {
    const [from, into] = await Promise.all([twoMib(), twoMib()]);
    await rig.withDevice(into, false, async () => {
      expect(await rig.refusal('VDI.copy', from, NULL_REF, NULL_REF, into)).toEqual([
        ...['VDI_IN_USE', into, 'copy'],
      ]);
    });
  });

  it('destroys what it made when it fails', async () => {
    const vdi = await twoMib();
    await rig.write(vdi, 0, Buffer.alloc(4096, 1));
    const base = (await rig.call('VDI.snapshot', vdi)) as Ref;
    await rig.write(vdi, 0, Buffer.alloc(4096, 2));
    rig.disks.breaking = (device) => broken(device, 'ENOSPC');
    const [code] = await rig.refusal('VDI.copy', vdi, sr, base);
    expect(code).toBe('SR_BACKEND_FAILURE_44');
    expect(new Set((await rig.call('VDI.get_all')) as Ref[])).toEqual(new Set([vdi, base]));
    expect((await rig.record(vdi)).current_operations.size).toBe(0);
  });

  it('is told in current_operations, lets others copy, and can be cancelled', async () => {
    const vdi = await twoMib();
    await rig.write(vdi, 0, Buffer.alloc(4096, 1));
    const base = (await rig.call('VDI.snapshot', vdi)) as Ref;
    await rig.write(vdi, 0, Buffer.alloc(4096, 2));
    const held = Promise.withResolvers<void>();
    rig.disks.breaking = (device) => slow(device, held.promise);
    const task = (await rig.call('Async.VDI.copy', vdi, sr, base)) as Ref;
    await until(
      'it copies',
      async () => (await rig.record(vdi)).current_operations.get(task) === 'copy',
    );
    const { allowed_operations: allowed } = await rig.record(vdi);
    expect(allowed).toContain('copy');
    expect(allowed).not.toContain('destroy');
    expect(await rig.refusal('VDI.destroy', vdi)).toEqual(['VDI_IN_USE', vdi, 'destroy']);
    expect((await rig.refusal('VDI.snapshot', vdi))[0]).toBe('OPERATION_NOT_ALLOWED');
    await until('it is made', async () => ((await rig.call('VDI.get_all')) as Ref[]).length === 3);
    const made = ((await rig.call('VDI.get_all')) as Ref[]).find(
      (one) => ![vdi, base].includes(one),
    );
    if (made === undefined) throw new Error('it is not there');
    await until('it is written', async () => (await rig.record(made)).current_operations.size > 0);
    expect((await rig.record(made)).allowed_operations).toEqual([]);
    expect(await rig.refusal('VDI.clone', made)).toEqual([
      ...['OTHER_OPERATION_IN_PROGRESS', 'VDI', made, 'blocked', task],
    ]);
    rig.rig.tasks.cancel(task);
    held.resolve();
    await until('the task ends', () => rig.rig.tasks.results.has(task));
    expect(rig.rig.tasks.results.get(task)?.error).toEqual(['TASK_CANCELLED', task]);
    expect(await rig.call('VDI.get_all')).toHaveLength(2);
  });

  it('tells how far it is', async () => {
    const vdi = await twoMib();
    const base = await twoMib();
    const task = (await rig.call('Async.VDI.copy', vdi, sr, base)) as Ref;
    await until('the task ends', () => rig.rig.tasks.results.has(task));
    const made = rig.rig.tasks.results.get(task)?.result as Ref;
    expect((await rig.record(made)).virtual_size).toBe(2 * MIB);
    expect(rig.rig.tasks.progress.get(task)?.at(-1)).toBe(1);
  });

  it('has one checksum with what it was copied from', async () => {
    const vdi = await twoMib();
    await rig.write(vdi, 512, Buffer.alloc(4096, 3));
    const made = await copy(vdi);
    const sum = await rig.call('VDI.checksum', vdi);
    expect(sum).toMatch(/^[0-9a-f]{32}$/);
    expect(await rig.call('VDI.checksum', made)).toBe(sum);
    expect(await rig.call('VDI.checksum', await twoMib())).not.toBe(sum);
  });
});

type Device = Parameters<NonNullable<VdiRig['disks']['breaking']>>[0];

function broken(device: Device, errno: 'ENOSPC'): Device {
  return overriding(device, () => Promise.reject(new BlockError(errno, 'write', 0, 1, 'full')));
}

function slow(device: Device, ready: Promise<void>): Device {
  return overriding(device, (...given) => ready.then(() => device.write(...given)));
}

function overriding(device: Device, write: Device['write']): Device {
  return new Proxy(device, {
    get: (target, name) => {
      if (name === 'write') return write;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
