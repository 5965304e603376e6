import { afterEach, describe, expect, test } from 'vitest';
import { type BlockDevice, PLAIN, PLAIN_ZERO } from '../../../src/block/index.ts';
import { ArrayError } from '../../../src/errors/index.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { VolumeRig } from '../../support/volume-rig.ts';

const SIZE = 1024 * 1024;
const rigs: VolumeRig[] = [];

async function rig(isNative: boolean) {
  const array = new MemoryArray({ isNative });
  const opened = await VolumeRig.open({ arrays: { one: array } });
  rigs.push(opened);
  await opened.createVolume('one', 'v', SIZE);
  return { array, rig: opened };
}

afterEach(async () => {
  for (const one of rigs.splice(0)) {
    await one.idle();
    await one.close();
    expect(one.troubles).toEqual([]);
    expect(one.failed).toEqual([]);
  }
});

async function fillAt(device: BlockDevice, fill: number, offset: number, length = 4096) {
  await device.write(Buffer.alloc(length, fill), offset, PLAIN);
}

async function byteAt(device: BlockDevice, offset: number): Promise<number | undefined> {
  const target = Buffer.alloc(512);
  await device.read(target, offset);
  return target[0];
}

describe.each([
  ['layers', false],
  ['an array that takes its own', true],
])('snapshots by %s', (_name, isNative) => {
  test('hold what the volume held then, while it is written to through every worker', async () => {
    const { rig: it } = await rig(isNative);
    const first = await it.connect('volume/one/v', 0);
    const second = await it.connect('volume/one/v', 1);
    await fillAt(first.device, 1, 0);
    await it.snapshot({ v: 's1' });
    await fillAt(second.device, 2, 0);
    await fillAt(first.device, 3, 8192);
    await it.snapshot({ v: 's2' });
    await second.device.zero(0, 65_536, PLAIN_ZERO);
    const s1 = await it.connect('volume/one/v@s1', 1);
    const s2 = await it.connect('volume/one/v@s2', 0);
    expect(await byteAt(s1.device, 0)).toBe(1);
    expect(await byteAt(s1.device, 8192)).toBe(0);
    expect(await byteAt(s2.device, 0)).toBe(2);
    expect(await byteAt(s2.device, 8192)).toBe(3);
    expect(await byteAt(first.device, 0)).toBe(0);
    expect(s1.readOnly).toBe(true);
    await expect(async () => fillAt(s1.device, 9, 0)).rejects.toMatchObject({ errno: 'EROFS' });
    for (const one of [first, second, s1, s2]) await one.close();
  });

  test('a volume goes back to one, newer ones stay, and an open volume is refused', async () => {
    const { rig: it } = await rig(isNative);
    await it.withExport('volume/one/v', (device) => fillAt(device, 1, 0));
    await it.snapshot({ v: 's1' });
    await it.withExport('volume/one/v', (device) => fillAt(device, 2, 0));
    await it.snapshot({ v: 's2' });
    const open = await it.connect('volume/one/v');
    await expect(it.revert('v', 's1')).rejects.toMatchObject({ code: 'IN_USE' });
    await open.close();
    await it.revert('v', 's1');
    expect(await it.withExport('volume/one/v', (device) => byteAt(device, 0))).toBe(1);
    expect(await it.withExport('volume/one/v@s2', (device) => byteAt(device, 0))).toBe(2);
  });

  test('clones are disks of their own; an answer that was lost makes nothing twice', async () => {
    const { rig: it, array } = await rig(isNative);
    await it.withExport('volume/one/v', (device) => fillAt(device, 1, 0));
    await it.snapshot({ v: 's1' });
    const lost = new Set<string>();
    array.after = (call) => {
      if (lost.has(call) || call.startsWith('delete')) return;
      lost.add(call);
      throw new ArrayError('UNKNOWN_OUTCOME', `the answer to ${call} was lost`);
    };
    await it.clone({ snapshot: 's1' }, 'linked', 'linked');
    await it.clone({ snapshot: 's1' }, 'full', 'full');
    await it.clone({ volume: 'v' }, 'of-volume', 'linked');
    for (const name of ['linked', 'full', 'of-volume']) {
      await it.withExport(`volume/one/${name}`, (device) => fillAt(device, 7, 4096));
      expect(await it.withExport(`volume/one/${name}`, (device) => byteAt(device, 0))).toBe(1);
    }
    expect(await it.withExport('volume/one/v', (device) => byteAt(device, 4096))).toBe(0);
    expect(lost.size).toBeGreaterThan(0);
  });

  test('a volume that is deleted leaves its snapshots, and what is open is not deleted', async () => {
    const { rig: it } = await rig(isNative);
    await it.withExport('volume/one/v', (device) => fillAt(device, 1, 0));
    await it.snapshot({ v: 's1' });
    await it.clone({ snapshot: 's1' }, 'clone', 'linked');
    const open = await it.connect('volume/one/v@s1');
    await expect(it.deleteSnapshot('s1')).rejects.toMatchObject({ code: 'IN_USE' });
    await open.close();
    await it.deleteVolume('v');
    await it.idle();
    await it.deleteSnapshot('s1');
    await it.idle();
    expect(await it.withExport('volume/one/clone', (device) => byteAt(device, 0))).toBe(1);
    await it.deleteVolume('clone');
    await it.idle();
  });
});

test('what differs from a snapshot of before a split is told with what became zero', async () => {
  const { rig: it } = await rig(false);
  await it.withExport('volume/one/v', (device) => fillAt(device, 1, 0, 65_536));
  await it.snapshot({ v: 's1' });
  await it.split('v');
  await it.withExport('volume/one/v', async (device) => {
    await device.zero(0, 65_536, PLAIN_ZERO);
  });
  await it.snapshot({ v: 's2' });
  const [from, to] = [it.snapshotName('s1'), it.snapshotName('s2')];
  const range = { offset: 0, length: SIZE, limit: 1000 };
  const told = await it.storage.storage.diff({ from, to, ...range });
  expect(told[0]).toEqual({ offset: 0, length: 65_536, kind: 'hole' });
  // Replication takes what is not told for equal.
  expect(told.reduce((sum, { length }) => sum + length, 0)).toBe(SIZE);
});

test('a full clone by the array does not hold whoever writes to the volume', async () => {
  const { rig: it, array } = await rig(true);
  const open = await it.connect('volume/one/v', 0);
  await fillAt(open.device, 1, 0);
  const before = array.names();
  let written: unknown = 'not tried';
  array.before = (call) => {
    if (call === 'clone') written = open.device.write(Buffer.alloc(4096, 2), 0, PLAIN);
  };
  await it.clone({ volume: 'v' }, 'c', 'full');
  array.before = () => {};
  expect(written).toBeUndefined();
  expect(await byteAt(open.device, 0)).toBe(2);
  expect(await it.withExport('volume/one/c', (device) => byteAt(device, 0))).toBe(1);
  expect(array.names()).toEqual([...before, 'volume c'].sort());
  await open.close();
});
