/** Versions that are merged, deleted, verified and captured while something else looks at them. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PLAIN } from '../../../src/block/index.ts';
import {
  addMachine,
  beginVersion,
  captureMachine,
  deleteMachine,
  deleteVdisk,
  deleteVersion,
  mergeVersion,
  promoteVersion,
  requestBoot,
  sealVersion,
  showVersion,
  type VersionView,
  verifyVdisk,
} from '../../../src/control/index.ts';
import { collectLayers } from '../../../src/control/versions/collect-layers.ts';
import { bootCatalog } from '../../../src/service/boot-catalog.ts';
import { LifecycleRig, type RigConnection } from '../../support/lifecycle-rig.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const SIZE = 2 * 64 * 1024;
const BLOCK = 4096;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let rig: LifecycleRig;

beforeEach(async () => {
  folder = await temporaryFolder('races');
  rig = await LifecycleRig.open(folder.path, { consolidateBeyond: 4 });
  await rig.importDisk('v', Buffer.alloc(SIZE, 1));
  add('a');
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rig.close();
  await folder.remove();
});

const macOf = (name: string): string => `52:54:00:00:00:0${name}`;
const boot = (name: string) => requestBoot(rig.control, macOf(name));
const connect = (name: string): Promise<RigConnection> => rig.connect(`machine/${name}`);
const merge = (number: number) =>
  rig.done(mergeVersion(rig.control, 'v', number, { mode: 'full' }));

function add(name: string, cacheMode: 'server' | 'server-persistent' = 'server'): void {
  addMachine(rig.control, { name, mac: macOf(name), vdisk: 'v', cacheMode });
}

function setClass(name: string, to: 'production' | 'test'): void {
  const row = rig.catalog.machines.byName(name);
  if (row === undefined) throw new Error(`no machine ${name}`);
  rig.catalog.machines.update({ ...row, own: { ...row.own, class: to } });
}

/** What a machine with these bytes in its first block has written. */
async function written(name: string, fill: number): Promise<void> {
  await boot(name);
  const { device, close } = await connect(name);
  await device.write(Buffer.alloc(BLOCK, fill), 0, PLAIN);
  await close();
}

/** … becomes the newest version, in test. @returns its number */
async function captured(name: string, fill: number): Promise<number> {
  await written(name, fill);
  return (await rig.done<VersionView>(captureMachine(rig.control, name))).number;
}

async function first(exportName: string): Promise<number> {
  const { device, close } = await rig.connect(exportName);
  const bytes = Buffer.alloc(BLOCK);
  await device.read(bytes, 0);
  await close();
  return bytes[0] ?? 0;
}

const volumes = async (): Promise<string[]> =>
  (await rig.repository.volumes.listVolumes()).map(({ id }) => id);

describe('a boot', () => {
  it('gets its kernel also when its version is merged meanwhile', async () => {
    await captured('a', 2);
    promoteVersion(rig.control, 'v', 2);
    const { layerId } = await boot('a');
    const pxe = bootCatalog(rig.control, rig.layers);
    await merge(2);
    await collectLayers(rig.control);
    expect(rig.catalog.layers.byId(layerId)).toBeUndefined();
    const file = await pxe.openFile({ mac: macOf('a'), layerId, role: 'kernel' });
    expect(file?.size).toBe('kernel'.length);
  });

  it('of a machine with a persistent cache holds until the next one, also before it has a cache', async () => {
    add('b', 'server-persistent');
    await captured('a', 2);
    expect((await boot('b')).version).toBe(1);
    promoteVersion(rig.control, 'v', 2);
    expect(await first('machine/b')).toBe(1);
  });

  it('is refused when its version is deleted before its disk is made, and leaves nothing', async () => {
    await captured('a', 2);
    setClass('a', 'test');
    const create = rig.repository.volumes.createVolume.bind(rig.repository.volumes);
    vi.spyOn(rig.repository.volumes, 'createVolume').mockImplementation(async (volume) => {
      if (volume.id.endsWith('.data')) {
        expect(await deleteVersion(rig.control, 'v', 2)).toEqual({ state: 'deleted' });
      }
      return create(volume);
    });
    await expect(boot('a')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    vi.restoreAllMocks();
    expect((await boot('a')).version).toBe(1);
    expect(await first('machine/a')).toBe(1);
  });
});

describe('a seal', () => {
  /** Version 5 in private mode, on top of four layers. */
  async function writtenOnFourLayers(): Promise<void> {
    for (const fill of [2, 3, 4]) {
      promoteVersion(rig.control, 'v', await captured('a', fill));
    }
    beginVersion(rig.control, 'v', { private: true });
    await written('a', 5);
  }

  it('is followed by a merge where the chain has grown too deep', async () => {
    await writtenOnFourLayers();
    await rig.done(sealVersion(rig.control, 'v', 5));
    const merge = rig.control.tasks.list().find(({ kind }) => kind === 'version.merge');
    await rig.control.tasks.settled(merge?.id ?? '');
    expect(showVersion(rig.control, 'v', 5)).toMatchObject({ state: 'production', depth: 2 });
    expect(await first('vdisk/v/5')).toBe(5);
  });

  it('has happened also when nothing can be merged now', async () => {
    await writtenOnFourLayers();
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const seal = sealVersion(rig.control, 'v', 5);
    for (let at = 0; at < 7; at++) rig.control.tasks.start('wait', `${at}`, () => ended);
    expect(await rig.done<VersionView>(seal)).toMatchObject({ state: 'production', depth: 5 });
    end();
  });

  it('keeps the volume of its layer when the machine is deleted meanwhile', async () => {
    await written('a', 2);
    const task = captureMachine(rig.control, 'a');
    await setImmediate(); // it has begun
    await deleteMachine(rig.control, 'a');
    expect(await rig.done<VersionView>(task)).toMatchObject({ number: 2 });
    expect(await first('vdisk/v/2')).toBe(2);
    await rig.crash();
    expect(await first('vdisk/v/2')).toBe(2);
    expect(await volumes()).toHaveLength(2);
  });

  it('comes to nothing when the vDisk is deleted meanwhile, and leaves nothing', async () => {
    beginVersion(rig.control, 'v', { private: true });
    await written('a', 2);
    await deleteMachine(rig.control, 'a');
    const task = sealVersion(rig.control, 'v', 2);
    await deleteVdisk(rig.control, 'v');
    await expect(rig.done(task)).rejects.toThrow('NOT_FOUND');
    await collectLayers(rig.control);
    expect(await volumes()).toEqual([]);
    expect(rig.catalog.removals.all()).toEqual([]);
  });
});

describe('a merge', () => {
  it('comes to nothing when the vDisk is deleted meanwhile, and leaves nothing', async () => {
    await captured('a', 2);
    await deleteMachine(rig.control, 'a');
    const task = mergeVersion(rig.control, 'v', 2, { mode: 'full' });
    await deleteVdisk(rig.control, 'v');
    await expect(rig.done(task)).rejects.toThrow('NOT_FOUND');
    await collectLayers(rig.control);
    expect(await volumes()).toEqual([]);
  });

  it('below an overlay that is open changes nothing of it until it is opened again', async () => {
    await captured('a', 2);
    promoteVersion(rig.control, 'v', 2);
    await boot('a');
    const { device, close } = await connect('a');
    const before = rig.catalog.layers.all().map(({ id }) => id);
    await merge(2);
    const bytes = Buffer.alloc(BLOCK);
    await device.read(bytes, 0);
    expect(bytes[0]).toBe(2);
    expect(rig.catalog.layers.all().map(({ id }) => id)).toEqual(expect.arrayContaining(before));
    await close();
    await rig.crash();
    await collectLayers(rig.control);
    expect(rig.catalog.layers.all()).toHaveLength(2); // version 1, and the base that version 2 is now
    expect(await first('machine/a')).toBe(2);
  });
});

describe('a verification', () => {
  it('finds no damage in layers that go meanwhile', async () => {
    await captured('a', 2);
    await captured('a', 3);
    const task = verifyVdisk(rig.control, 'v');
    const checked = rig.catalog.layers.checked.bind(rig.catalog.layers);
    let deletion: Promise<unknown> = Promise.resolve();
    vi.spyOn(rig.catalog.layers, 'checked').mockImplementationOnce((...args) => {
      checked(...args);
      deletion = Promise.resolve().then(() => deleteVersion(rig.control, 'v', 3));
    });
    expect(await rig.done(task)).toMatchObject({ damagedChunks: 0, layers: 3 });
    expect(await deletion).toEqual({ state: 'deleting' }); // it is being read
  });
});

describe('a crash', () => {
  it('before a layer is gone that was an overlay does not bring the overlay back', async () => {
    await written('a', 2);
    const repository = join(rig.folder, 'repository');
    const map = (await volumes()).find((id) => id.endsWith('.map')) ?? '';
    await copyFile(join(repository, `${map}.volume`), join(rig.folder, 'map'));
    await rig.done(captureMachine(rig.control, 'a'));
    // The map is still there, the version is deleted, and nothing of that has reached the disk.
    await copyFile(join(rig.folder, 'map'), join(repository, `${map}.volume`));
    const { catalog } = rig;
    const version = catalog.versions.byNumber(catalog.vdisks.byName('v')?.id ?? '', 2);
    if (version === undefined || !('layerId' in version)) throw new Error('there is no version 2');
    const { volumeId } = rig.layers.record(version.layerId);
    catalog.versions.delete(version);
    catalog.layers.delete(version.layerId);
    catalog.removals.insert({ kind: 'layer', id: version.layerId, volumeId });
    await rig.crash();
    expect(await volumes()).toHaveLength(1);
    expect(await first('machine/a')).toBe(1);
  });
});
