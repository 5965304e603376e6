/** The moment of a snapshot: requests are held, none fails, and none is on both sides. */
import { afterEach, describe, expect, test } from 'vitest';
import { type BlockDevice, PLAIN } from '../../../src/block/index.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { type RigOptions, VolumeRig } from '../../support/volume-rig.ts';

const SIZE = 1024 * 1024;
const rigs: VolumeRig[] = [];

async function rig(options: Partial<RigOptions> & { readonly isNative?: boolean } = {}) {
  const array = new MemoryArray({ isNative: options.isNative ?? false });
  const opened = await VolumeRig.open({ arrays: { one: array }, ...options });
  rigs.push(opened);
  await opened.createVolume('one', 'a', SIZE);
  await opened.createVolume('one', 'b', SIZE);
  return { array, rig: opened };
}

afterEach(async () => {
  for (const one of rigs.splice(0)) {
    await one.idle();
    await one.close();
  }
});

async function numberAt(device: BlockDevice, offset: number): Promise<number> {
  const target = Buffer.alloc(512);
  await device.read(target, offset);
  return target.readUInt32LE(0);
}

function numbered(count: number): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.writeUInt32LE(count, 0);
  return bytes;
}

describe.each([
  ['layers', false],
  ['the array', true],
])('snapshots under load, by %s', (_name, isNative) => {
  test('several volumes are of one moment: a write that was acknowledged before another is never missing', async () => {
    const { rig: it } = await rig({ isNative });
    const [a, b] = [await it.connect('volume/one/a', 0), await it.connect('volume/one/b', 1)];
    let isOver = false;
    let written = 0;
    const writer = (async () => {
      // b is written when a is acknowledged: whatever moment it is, a is b or one more.
      for (let count = 1; !isOver; count++) {
        await a.device.write(numbered(count), (count % 32) * 4096, PLAIN);
        await a.device.write(numbered(count), 512 * 1024, PLAIN);
        await b.device.write(numbered(count), 512 * 1024, PLAIN);
        written = count;
        if (count % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let at = 0; at < 8; at++) await it.snapshot({ a: `a${at}`, b: `b${at}` });
    isOver = true;
    await writer;
    let before = 0;
    for (let at = 0; at < 8; at++) {
      const ofA = await it.withExport(`volume/one/a@a${at}`, (device) =>
        numberAt(device, 512 * 1024),
      );
      const ofB = await it.withExport(`volume/one/b@b${at}`, (device) =>
        numberAt(device, 512 * 1024),
      );
      expect([ofB, ofB + 1]).toContain(ofA);
      expect(ofA).toBeGreaterThanOrEqual(before);
      before = ofA;
      const place = await it.withExport(`volume/one/a@a${at}`, (device) =>
        numberAt(device, (ofA % 32) * 4096),
      );
      expect(place).toBe(ofA);
    }
    expect(await numberAt(a.device, 512 * 1024)).toBe(written);
    await a.close();
    await b.close();
    expect(it.failed).toEqual([]);
  });
});

test('a worker that does not answer: the snapshot fails, nothing is left, and everything goes on', async () => {
  const { rig: it, array } = await rig({ holdTimeMax: 30 });
  const open = await it.connect('volume/one/a', 0);
  await open.device.write(numbered(1), 0, PLAIN);
  const before = array.names();
  it.silent = 1;
  await expect(it.snapshot({ a: 's1' })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await open.device.write(numbered(2), 0, PLAIN);
  expect(await numberAt(open.device, 0)).toBe(2);
  expect(array.names()).toEqual(before);
  it.silent = undefined;
  await it.snapshot({ a: 's1' });
  await open.device.write(numbered(3), 0, PLAIN);
  expect(await it.withExport('volume/one/a@s1', (device) => numberAt(device, 0))).toBe(2);
  await open.close();
});

test('a snapshot that control does not keep leaves the volume as it was', async () => {
  const { rig: it, array } = await rig();
  const open = await it.connect('volume/one/a', 0);
  const before = array.names();
  const { storage } = it.storage;
  const of = [{ volume: it.volume('a'), snapshotId: 's1', name: 's1' }];
  const refuse = (): never => {
    throw new Error('not kept');
  };
  const call = { signal: new AbortController().signal, progress: () => {} };
  await expect(storage.snapshot({ of }, refuse, call)).rejects.toThrow('not kept');
  expect(array.names()).toEqual(before);
  expect(it.catalog.volumeNodes.ofVolume('a')).toBeUndefined();
  await open.device.write(numbered(5), 0, PLAIN);
  expect(await numberAt(open.device, 0)).toBe(5);
  await open.close();
});

test('when what is new cannot be opened, requests fail rather than change a snapshot', async () => {
  const { rig: it, array } = await rig();
  const open = await it.connect('volume/one/a', 0);
  await open.device.write(numbered(1), 0, PLAIN);
  const { storage } = it.storage;
  const of = [{ volume: it.volume('a'), snapshotId: 's1', name: 's1' }];
  const call = { signal: new AbortController().signal, progress: () => {} };
  // It disappears at the last moment.
  const lose = (): void => {
    for (const [id, { tag }] of array.held)
      if (tag?.endsWith('-data') === true) array.held.delete(id);
  };
  await storage.snapshot({ of }, lose, call);
  await expect(async () => open.device.write(numbered(2), 0, PLAIN)).rejects.toMatchObject({
    errno: 'EIO',
  });
  expect(it.failed).toEqual(['volume:a']);
  await open.close();
});

test('a connection keeps its size when the volume grows; the next one has the new size', async () => {
  const { rig: it } = await rig();
  for (const isLayered of [false, true]) {
    if (isLayered) await it.snapshot({ a: 's1' });
    const first = await it.connect('volume/one/a', 0);
    const { size } = first.device.geometry;
    await it.resize('a', size + 65_536);
    const second = await it.connect('volume/one/a', 0);
    expect(first.device.geometry.size).toBe(size);
    expect(second.device.geometry.size).toBe(size + 65_536);
    await second.device.write(numbered(7), size, PLAIN);
    await second.device.write(numbered(8), 0, PLAIN);
    expect(await numberAt(first.device, 0)).toBe(8);
    await expect(async () => first.device.write(numbered(7), size, PLAIN)).rejects.toMatchObject({
      errno: 'ENOSPC',
    });
    await expect(it.resize('a', size)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await first.close();
    await second.close();
  }
});
