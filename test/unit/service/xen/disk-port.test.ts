import { afterEach, describe, expect, test } from 'vitest';
import { PLAIN } from '../../../../src/block/index.ts';
import type { OpenDisk } from '../../../../src/xenapi/index.ts';
import { MemoryArray } from '../../../support/memory-array.ts';
import { VolumeRig } from '../../../support/volume-rig.ts';

const SIZE = 256 * 1024;
const rigs: VolumeRig[] = [];

async function rig(isNative = false): Promise<VolumeRig> {
  const opened = await VolumeRig.open({ arrays: { one: new MemoryArray({ isNative }) } });
  rigs.push(opened);
  await opened.createVolume('one', 'v', SIZE);
  return opened;
}

afterEach(async () => {
  for (const one of rigs.splice(0)) {
    expect(one.troubles).toEqual([]);
    await one.close();
  }
});

async function bytes({ device }: Pick<OpenDisk, 'device'>, length = SIZE): Promise<Buffer> {
  const read = Buffer.alloc(length);
  await device.read(read, 0);
  return read;
}

async function fill(opened: Pick<OpenDisk, 'device'>, byte: number): Promise<void> {
  await opened.device.write(Buffer.alloc(4096, byte), 0, PLAIN);
}

const READ = { write: false } as const;
const WRITE = { write: true } as const;

describe('disks for XenAPI', () => {
  test('what is written can be read by NBD clients afterwards, and the other way round', async () => {
    const it = await rig();
    const written = await it.disks.open(it.volume('v'), WRITE);
    await fill(written, 7);
    await written.close();
    await it.withExport('volume/one/v', async (device) => {
      expect((await bytes({ device }))[4095]).toBe(7);
      await device.write(Buffer.alloc(4096, 8), 4096, PLAIN);
    });
    const read = await it.disks.open(it.volume('v'), READ);
    expect((await bytes(read))[4096]).toBe(8);
    expect(read.device.capabilities.write).toBe(false);
    expect(() => read.device.write(Buffer.alloc(512), 0, PLAIN)).toThrowError(
      expect.objectContaining({ errno: 'EROFS' }),
    );
    await read.close();
  });

  test('a writer and NBD clients keep each other out, and are told who it is', async () => {
    const it = await rig();
    const served = await it.connect('volume/one/v');
    await expect(it.disks.open(it.volume('v'), WRITE)).rejects.toMatchObject({
      code: 'IN_USE',
      message: expect.stringContaining('volume/one/v'),
    });
    expect(it.disks.users(it.volume('v'))).toEqual(['connections to volume/one/v']);
    await served.close();
    const written = await it.disks.open(it.volume('v'), WRITE);
    await expect(it.connect('volume/one/v')).rejects.toMatchObject({
      code: 'IN_USE',
      message: expect.stringContaining('write by XenAPI'),
    });
    await expect(it.disks.open(it.volume('v'), WRITE)).rejects.toMatchObject({ code: 'IN_USE' });
    await expect(it.disks.open(it.volume('v'), READ)).rejects.toMatchObject({ code: 'IN_USE' });
    await written.close();
    expect(it.disks.users(it.volume('v'))).toEqual([]);
    const again = await it.connect('volume/one/v');
    await again.close();
  });

  test('several may read, but not what NBD clients may write', async () => {
    const it = await rig();
    const first = await it.disks.open(it.volume('v'), READ);
    const second = await it.disks.open(it.volume('v'), READ);
    await expect(it.connect('volume/one/v')).rejects.toMatchObject({ code: 'IN_USE' });
    await first.close();
    await expect(it.connect('volume/one/v')).rejects.toMatchObject({ code: 'IN_USE' });
    await second.close();
    const served = await it.connect('volume/one/v');
    await expect(it.disks.open(it.volume('v'), READ)).rejects.toMatchObject({ code: 'IN_USE' });
    await served.close();
  });

  test.each([true, false])(
    'nothing is deleted, reverted or detached meanwhile (native: %s)',
    async (isNative) => {
      const it = await rig(isNative);
      await it.snapshot({ v: 's1' });
      const { storage } = it.storage;
      for (const options of [READ, WRITE]) {
        const opened = await it.disks.open(it.volume('v'), options);
        await expect(it.deleteVolume('v')).rejects.toMatchObject({ code: 'IN_USE' });
        await expect(it.revert('v', 's1')).rejects.toMatchObject({ code: 'IN_USE' });
        await expect(storage.detach('one', { force: false })).rejects.toMatchObject({
          code: 'IN_USE',
        });
        await opened.close();
      }
      const snapshot = await it.disks.open(it.snapshotName('s1'), READ);
      await expect(it.deleteSnapshot('s1')).rejects.toMatchObject({ code: 'IN_USE' });
      await snapshot.close();
      await it.deleteSnapshot('s1');
      await it.deleteVolume('v');
    },
  );

  test('a snapshot is of the moment in which it was taken, also of what is being written here', async () => {
    const it = await rig();
    const written = await it.disks.open(it.volume('v'), WRITE);
    await fill(written, 1);
    await it.snapshot({ v: 's1' });
    await fill(written, 2);
    await it.snapshot({ v: 's2' });
    await fill(written, 3);
    for (const [name, byte] of [
      ['s1', 1],
      ['s2', 2],
    ] as const) {
      const snapshot = await it.disks.open(it.snapshotName(name), READ);
      expect((await bytes(snapshot))[0]).toBe(byte);
      await snapshot.close();
    }
    await written.close();
    const now = await it.disks.open(it.volume('v'), READ);
    expect((await bytes(now))[0]).toBe(3);
    await now.close();
  });

  test('a volume may grow while it is read: what is open does not', async () => {
    const it = await rig();
    await it.snapshot({ v: 's1' });
    const read = await it.disks.open(it.volume('v'), READ);
    await it.resize('v', 2 * SIZE);
    expect(read.device.geometry.size).toBe(SIZE);
    await read.close();
    const now = await it.disks.open(it.volume('v'), READ);
    expect(now.device.geometry.size).toBe(2 * SIZE);
    await now.close();
  });

  test('is opened as it is by then when it is changed at the same time', async () => {
    const it = await rig();
    await it.snapshot({ v: 's1' });
    for (let round = 2; round < 6; round++) {
      const growing = it.resize('v', round * SIZE);
      const opening = Promise.all([1, 2, 3].map(() => it.disks.open(it.volume('v'), READ)));
      await growing;
      for (const opened of await opening) {
        expect(opened.device.geometry.size).toBeGreaterThanOrEqual((round - 1) * SIZE);
        await opened.close();
      }
    }
    expect(it.disks.users(it.volume('v'))).toEqual([]);
  });

  test('refuses what cannot be written, and what is gone', async () => {
    const it = await rig();
    await it.snapshot({ v: 's1' });
    const [volume, snapshot] = [it.volume('v'), it.snapshotName('s1')];
    await expect(it.disks.open(snapshot, WRITE)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(it.disks.open({ versionId: 'x' }, WRITE)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
    await expect(it.disks.open({ versionId: 'x' }, READ)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await it.deleteSnapshot('s1');
    await it.deleteVolume('v');
    await expect(it.disks.open(snapshot, READ)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(it.disks.open(volume, READ)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await it.storage.storage.detach('one', { force: false });
    await expect(it.disks.open(volume, READ)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a replica is read by its snapshots only', async () => {
    const it = await rig();
    const record = it.catalog.volumes.byId('v');
    if (record === undefined) throw new Error('no record');
    it.catalog.volumes.update({ ...record, role: 'replica' });
    for (const options of [READ, WRITE]) {
      await expect(it.disks.open(it.volume('v'), options)).rejects.toMatchObject({
        code: 'IN_USE',
        message: expect.stringContaining('replica'),
      });
    }
  });
});
