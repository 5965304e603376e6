/** What an array made of volumes and snapshots while nobody was there to be told. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Settlement, StoredVolume } from '../../../src/control/index.ts';
import { ArrayError } from '../../../src/errors/index.ts';
import { MemoryArray } from '../../support/memory-array.ts';
import { CALL, VolumeRig } from '../../support/volume-rig.ts';

const SIZE = 65_536;
const LARGER = 3 * SIZE;

let array: MemoryArray;
let rig: VolumeRig;
beforeEach(async () => {
  array = new MemoryArray({ isNative: true });
  rig = await VolumeRig.open({ arrays: { one: array } });
  await rig.createVolume('one', 'v', SIZE);
});
afterEach(() => rig.close());

const unsettled = (of = rig) => of.catalog.unsettled.ofRepository('one').map(({ id }) => id);
const sizeKnown = () => rig.catalog.volumes.byId('v')?.size;

/** @returns what was told: volumes with their sizes, and what is gone */
async function settle(): Promise<readonly (readonly [string, number | string])[]> {
  const told: (readonly [string, number | string])[] = [];
  await rig.storage.storage.settle('one', {
    changed: (volumeId, stored) => {
      told.push([volumeId, stored.size]);
      rig.keepVolume('one', volumeId, stored);
    },
    gone: (what, id) => {
      told.push([id, `${what} gone`]);
      const snapshot = rig.catalog.snapshots.byId(id);
      if (what === 'volume') rig.catalog.volumes.delete(id);
      else if (snapshot !== undefined) rig.catalog.snapshots.delete(snapshot);
    },
  });
  return told;
}

/** The answer to the next call of this name is lost. */
function lose(call: string, error: unknown = new ArrayError('UNKNOWN_OUTCOME', 'lost')): void {
  array.after = (called) => {
    if (called !== call) return;
    array.after = () => {};
    throw error;
  };
}

describe('a volume that was to grow', () => {
  test('has grown when a look at it shows it, though the answer was lost', async () => {
    lose('resizeVolume');
    await rig.resize('v', LARGER);
    expect(sizeKnown()).toBe(LARGER);
    expect(unsettled()).toEqual([]);
    expect(await settle()).toEqual([]);
  });

  test('has not, when the look shows that; and when it grows later that is seen', async () => {
    array.before = (call) => {
      if (call === 'resizeVolume') throw new ArrayError('UNKNOWN_OUTCOME', 'lost on the way');
    };
    await expect(rig.resize('v', LARGER)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    array.before = () => {};
    expect([sizeKnown(), unsettled()]).toEqual([SIZE, ['v']]);
    const { array: control } = rig.storage.repositories.of('one');
    const found = await control.findVolume({ tag: 'v' });
    if (found === undefined) throw new Error('no volume');
    await control.resizeVolume({ ref: found.ref, size: LARGER, opId: 'late' });
    expect(await settle()).toEqual([['v', LARGER]]);
    expect([sizeKnown(), unsettled()]).toEqual([LARGER, []]);
  });

  test('is looked at again until the array answers', async () => {
    lose('resizeVolume');
    const silent = (call: string): void => {
      if (call === 'findVolume') throw new ArrayError('UNREACHABLE', 'no answer');
    };
    array.before = silent;
    await expect(rig.resize('v', LARGER)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    expect(await settle()).toEqual([]);
    expect(rig.troubles).toEqual([expect.stringContaining('what has become of volume v')]);
    expect(unsettled()).toEqual(['v']);
    array.before = () => {};
    expect(await settle()).toEqual([['v', LARGER]]);
    expect(unsettled()).toEqual([]);
    // Whoever connects from now on has what the array has.
    const size = await rig.withExport('volume/one/v', async (device) => device.geometry.size);
    expect(size).toBe(LARGER);
  });

  test('and could not be recorded is recorded later', async () => {
    const full = new Error('the disk of the catalog is full');
    const refuse = (): never => {
      throw full;
    };
    const { storage } = rig.storage;
    await expect(storage.resizeVolume(rig.volume('v'), LARGER, refuse, CALL)).rejects.toBe(full);
    expect([sizeKnown(), unsettled()]).toEqual([SIZE, ['v']]);
    const refused: Settlement = { changed: refuse, gone: refuse };
    await expect(storage.settle('one', refused)).resolves.toBeUndefined();
    expect(unsettled()).toEqual(['v']);
    expect(await settle()).toEqual([['v', LARGER]]);
  });

  test('while it is open is larger for who connects later, also when only a look has shown it', async () => {
    const before = await rig.connect('volume/one/v');
    array.before = (call) => {
      if (call === 'findVolume') throw new ArrayError('UNREACHABLE', 'no answer');
    };
    lose('resizeVolume');
    await expect(rig.resize('v', LARGER)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    array.before = () => {};
    await settle();
    const after = await rig.connect('volume/one/v', 1);
    expect([before.device.geometry.size, after.device.geometry.size]).toEqual([SIZE, LARGER]);
    await before.close();
    await after.close();
  });

  test('is left alone as long as the array is asked', async () => {
    const asked = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const { array: control } = rig.storage.repositories.of('one');
    const resize = control.resizeVolume.bind(control);
    control.resizeVolume = async (...call) => {
      asked.resolve();
      await goOn.promise;
      return resize(...call);
    };
    const resizing = rig.resize('v', LARGER);
    await asked.promise;
    expect(unsettled()).toEqual(['v']);
    expect(await settle()).toEqual([]);
    expect(unsettled()).toEqual(['v']);
    goOn.resolve();
    await resizing;
    expect([sizeKnown(), unsettled()]).toEqual([LARGER, []]);
  });

  test('and is gone, or has become layers, is asked for no more', async () => {
    await rig.createVolume('one', 'w', SIZE);
    for (const id of ['v', 'w']) {
      rig.catalog.unsettled.add({ id, repositoryId: 'one', kind: 'volume', mayBeGone: false });
    }
    await rig.deleteVolume('v');
    expect(unsettled()).toEqual(['w']);
    const layers = { handle: { kind: 'layers' }, size: SIZE, thin: true, wwid: undefined };
    rig.keepVolume('one', 'w', layers satisfies StoredVolume);
    expect(await settle()).toEqual([]);
    expect(unsettled()).toEqual([]);
  });
});

describe('a volume that was to be', () => {
  test('as it was once has the size of then, also when nobody was told', async () => {
    await rig.snapshot({ v: 's' });
    await rig.resize('v', LARGER);
    lose('revert', new Error('killed'));
    await expect(rig.revert('v', 's')).rejects.toThrow('killed');
    expect([sizeKnown(), unsettled()]).toEqual([LARGER, ['v']]);
    expect(await settle()).toEqual([['v', SIZE]]);
    expect(sizeKnown()).toBe(SIZE);
  });

  test('split is looked at again as well', async () => {
    await rig.snapshot({ v: 's' });
    await rig.clone({ snapshot: 's' }, 'c', 'linked');
    lose('split', new Error('killed'));
    await expect(rig.split('c')).rejects.toThrow('killed');
    expect(unsettled()).toEqual(['c']);
    expect(await settle()).toEqual([['c', SIZE]]);
    expect(unsettled()).toEqual([]);
  });
});

describe('what was to be deleted', () => {
  beforeEach(() => rig.snapshot({ v: 's' }));

  test.each([
    ['a snapshot', 's', 'deleteSnapshot', 'snapshot gone'],
    ['a volume', 'v', 'deleteVolume', 'volume gone'],
  ] as const)('%s of which nobody was told is found to be gone', async (_, id, call, gone) => {
    const remove = () => (id === 's' ? rig.deleteSnapshot(id) : rig.deleteVolume(id));
    lose(call, new Error('killed'));
    await expect(remove()).rejects.toThrow('killed');
    expect(unsettled()).toEqual([id]);
    expect(await settle()).toEqual([[id, gone]]);
    expect([rig.catalog.snapshots.byId(id), rig.catalog.volumes.byId(id)]).toEqual([
      undefined,
      undefined,
    ]);
    expect([unsettled(), await settle()]).toEqual([[], []]);
  });

  test.each([
    ['a snapshot', 's', 'deleteSnapshot'],
    ['a volume', 'v', 'deleteVolume'],
  ] as const)('%s is, when a look shows it, though the answer was lost', async (_, id, call) => {
    lose(call);
    await (id === 's' ? rig.deleteSnapshot(id) : rig.deleteVolume(id));
    expect(unsettled()).toEqual([]);
    expect(array.names()).toHaveLength(1);
  });

  test('and is there stays', async () => {
    array.before = (call) => {
      if (call.startsWith('delete')) throw new ArrayError('UNKNOWN_OUTCOME', 'lost on the way');
    };
    await expect(rig.deleteSnapshot('s')).rejects.toMatchObject({ code: 'UNREACHABLE' });
    await expect(rig.deleteVolume('v')).rejects.toMatchObject({ code: 'UNREACHABLE' });
    array.before = () => {};
    expect(unsettled()).toEqual(['s', 'v']);
    expect(await settle()).toEqual([['v', SIZE]]);
    expect(unsettled()).toEqual([]);
    await rig.withExport('volume/one/v@s', async (device) => {
      expect(device.geometry.size).toBe(SIZE);
    });
  });

  test('and of which the array knows nothing any more stays', async () => {
    rig.catalog.unsettled.add({ id: 's', repositoryId: 'one', kind: 'snapshot', mayBeGone: true });
    const { array: control } = rig.storage.repositories.of('one');
    Object.defineProperty(control, 'snapshots', { value: undefined });
    expect(await settle()).toEqual([]);
    expect(rig.catalog.snapshots.byId('s')).toBeDefined();
  });

  test('and that was only to grow since is not taken for deleted, whatever the array says', async () => {
    rig.catalog.unsettled.add({ id: 'v', repositoryId: 'one', kind: 'volume', mayBeGone: false });
    const held = [...array.held].find(([, { tag }]) => tag === 'v');
    array.held.delete(held?.[0] ?? '');
    expect(await settle()).toEqual([]);
    expect(rig.catalog.volumes.byId('v')).toBeDefined();
  });
});

test('that an array is asked is written down before it is', async () => {
  const other = await VolumeRig.open({ arrays: { one: array } });
  await other.createVolume('one', 'w', SIZE);
  const killed = Promise.withResolvers<void>();
  array.after = (call) => {
    if (call !== 'resizeVolume') return;
    array.kill();
    killed.resolve();
  };
  other.resize('w', LARGER).catch(() => undefined);
  await killed.promise;
  expect(unsettled(other)).toEqual(['w']);
  await other.close();
});
