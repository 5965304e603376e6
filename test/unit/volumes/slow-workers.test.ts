/** Workers that are slower than anybody waits for, and what must not happen to what they still have open. */
import { afterEach, expect, test } from 'vitest';
import { type BlockDevice, PLAIN } from '../../../src/block/index.ts';
import { ArrayError } from '../../../src/errors/index.ts';
import { OpenVolumes, type VolumeContent } from '../../../src/volumes/index.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { CALL, type RigOptions, VolumeRig } from '../../support/volume-rig.ts';

const SIZE = 1024 * 1024;
const rigs: VolumeRig[] = [];

async function rig(options: Partial<RigOptions> = {}) {
  const array = new MemoryArray();
  const opened = await VolumeRig.open({ arrays: { one: array }, holdTimeMax: 50, ...options });
  rigs.push(opened);
  await opened.createVolume('one', 'v', SIZE);
  return { array, rig: opened };
}

afterEach(async () => {
  for (const one of rigs.splice(0)) {
    one.silent = undefined;
    await one.idle();
    await one.close();
  }
});

async function fill(device: BlockDevice, byte: number, offset = 0): Promise<void> {
  await device.write(Buffer.alloc(4096, byte), offset, PLAIN);
}

async function byteAt(device: BlockDevice, offset = 0): Promise<number | undefined> {
  const target = Buffer.alloc(512);
  await device.read(target, offset);
  return target[0];
}

test.each([['hold' as const], ['resume' as const]])(
  'a clone is split while its worker does not hear "%s": what it reads is never merged over',
  async (deafTo) => {
    const { rig: it } = await rig();
    await it.withExport('volume/one/v', (device) => fill(device, 1));
    await it.snapshot({ v: 's1' });
    await it.withExport('volume/one/v', (device) => fill(device, 2));
    await it.snapshot({ v: 's2' });
    await it.clone({ snapshot: 's1' }, 'c', 'linked');
    const clone = await it.connect('volume/one/c', 0);
    expect(await byteAt(clone.device)).toBe(1);
    it.silent = 0;
    it.deafTo = deafTo;
    const read = deafTo === 'hold' ? byteAt(clone.device) : undefined;
    await it.split('c');
    await it.deleteSnapshot('s1');
    await it.idle();
    if (deafTo === 'hold') {
      expect(await read).toBe(1);
      expect(await byteAt(clone.device)).toBe(1);
    }
    // What the silent worker reads from is still there, as it was.
    const nodes = it.catalog.volumeNodes;
    const base = nodes.chain(nodes.ofSnapshot('s2')?.id ?? '')[0];
    expect(base?.data.tag).toBe('v');
    expect(nodes.chain(nodes.ofSnapshot('s2')?.id ?? '')).toHaveLength(2);
    if (deafTo === 'hold') await clone.close();
  },
);

test('what a slow worker may still read is not deleted', async () => {
  const { rig: it, array } = await rig();
  for (const [at, snapshot] of ['s1', 's2'].entries()) {
    await it.withExport('volume/one/v', (device) => fill(device, at + 1, at * 65_536));
    await it.snapshot({ v: snapshot });
  }
  const open = await it.connect('volume/one/v', 0);
  const upper = it.catalog.volumeNodes.ofSnapshot('s2')?.data.tag;
  it.silent = 0;
  it.deafTo = 'resume';
  await it.deleteSnapshot('s1');
  await it.idle();
  expect(array.names()).toContain(`volume ${upper}`);
  expect(it.catalog.arrayLeftovers.ofRepository('one')).toContain(upper);
  expect(open.device.geometry.size).toBe(SIZE);
});

test('when what a volume is made of cannot be told, the next connection does not get what it was made of', async () => {
  const { rig: it, array } = await rig();
  await it.withExport('volume/one/v', (device) => fill(device, 1));
  await it.snapshot({ v: 's1' });
  const first = await it.connect('volume/one/v', 0);
  await fill(first.device, 2);
  const sealed = it.catalog.volumeNodes.ofVolume('v');
  const map = sealed?.map?.ref.nativeId ?? '';
  const held = array.held.get(map);
  const { storage } = it.storage;
  const lose = (stored: Parameters<VolumeRig['keepVolume']>[2]): void => {
    it.keepVolume('one', 'v', stored);
    array.held.delete(map);
  };
  const growing = storage.resizeVolume(it.volume('v'), 2 * SIZE, lose, CALL);
  await expect(growing).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  if (held !== undefined) array.held.set(map, held);
  const second = await it.connect('volume/one/v', 1);
  expect(second.device.geometry.size).toBe(2 * SIZE);
  await fill(second.device, 3, 65_536);
  const below = Buffer.alloc(4096);
  await array.held.get(sealed?.data.ref.nativeId ?? '')?.device.read(below, 65_536);
  expect(below[0]).toBe(0);
  await first.close();
  await second.close();
  expect(await it.withExport('volume/one/v', (device) => byteAt(device))).toBe(2);
});

test('a plan that was given out is with its worker before that is told to hold', async () => {
  const told: string[] = [];
  const content: VolumeContent = {
    kind: 'plain',
    locator: { adapter: 'memory', volume: 'v', address: {} },
  };
  const open = new OpenVolumes({
    hold: async () => void told.push('hold'),
    resume: async () => true,
  });
  const how = { make: async () => content, closed: async () => {} };
  const given = open.use('volume:v', how).then(async () => {
    for (let hop = 0; hop < 100; hop++) await undefined;
    told.push('plan');
  });
  const exchanged = open.lock(['volume:v'], () =>
    open.exchange(
      ['volume:v'],
      { flush: false },
      async () => {},
      (_key, before) => before,
    ),
  );
  await Promise.all([given, exchanged]);
  expect(told).toEqual(['plan', 'hold']);
});

test('a volume that becomes a replica while it is being opened is not opened', async () => {
  const { rig: it } = await rig();
  const opening = it.connect('volume/one/v', 0);
  const record = it.catalog.volumes.byId('v');
  if (record === undefined) throw new Error('no volume');
  it.catalog.volumes.update({ ...record, role: 'replica' });
  await expect(opening).rejects.toMatchObject({ code: 'EXPORT_NOT_FOUND' });
});

test('what is deleted while it is being opened is not opened', async () => {
  const { rig: it } = await rig();
  await it.snapshot({ v: 's1' });
  const deleting = it.deleteVolume('v');
  const opening = it.connect('volume/one/v', 0);
  await deleting;
  await expect(opening).rejects.toMatchObject({ code: 'EXPORT_NOT_FOUND' });
});

test('what a snapshot is made of is asked for again when a copy begins', async () => {
  const { rig: it } = await rig();
  for (const [at, snapshot] of ['s1', 's2'].entries()) {
    await it.withExport('volume/one/v', (device) => fill(device, at + 1, at * 65_536));
    await it.snapshot({ v: snapshot });
  }
  const { exports } = it.storage;
  const plan = await exports.openNamed(it.snapshotName('s2'), { write: false });
  await it.deleteSnapshot('s1');
  await it.idle();
  const now = exports.now(plan);
  expect(plan.volume.kind === 'layers' && plan.volume.chain.layers.length).toBe(2);
  expect(now.volume.kind === 'layers' && now.volume.chain.layers.length).toBe(1);
  exports.release(plan.key, plan.name);
});

test('what workers did not give back is closed at the end', async () => {
  const closed: string[] = [];
  const open = new OpenVolumes({ hold: async () => {}, resume: async () => true });
  const locator = { adapter: 'memory', volume: 'v', address: {} };
  await open.use('volume:v', {
    make: async () => ({ kind: 'plain', locator }),
    closed: async () => void closed.push('v'),
  });
  expect(await open.end()).toEqual([]);
  expect(closed).toEqual(['v']);
});

test.each([1, 2])(
  'nothing is left of an overlay when volume %i of it cannot be made',
  async (nth) => {
    const { rig: it, array } = await rig();
    await it.snapshot({ v: 's1' });
    const before = array.names();
    const failNow = (): void => {
      let calls = 0;
      array.before = (call) => {
        if (call !== 'createVolume') return;
        calls += 1;
        if (calls === nth) throw new ArrayError('NO_SPACE', 'full');
      };
    };
    const attempts = [
      () => it.snapshot({ v: 's2' }),
      () => it.clone({ snapshot: 's1' }, 'c', 'linked'),
      () => it.revert('v', 's1'),
    ];
    for (const attempt of attempts) {
      failNow();
      await expect(attempt()).rejects.toMatchObject({ code: 'NO_SPACE' });
      expect(array.names()).toEqual(before);
      expect(it.catalog.arrayLeftovers.ofRepository('one')).toEqual([]);
    }
    array.before = () => {};
  },
);

test.each([3, 4])(
  'nothing is left when clone volume %i of a volume cannot be made',
  async (nth) => {
    const { rig: it, array } = await rig();
    await it.snapshot({ v: 's1' });
    const before = array.names();
    let calls = 0;
    array.before = (call) => {
      if (call !== 'createVolume') return;
      calls += 1;
      if (calls === nth) throw new ArrayError('NO_SPACE', 'full');
    };
    await expect(it.clone({ volume: 'v' }, 'c', 'linked')).rejects.toMatchObject({
      code: 'NO_SPACE',
    });
    expect(array.names()).toEqual(before);
    array.before = () => {};
  },
);
