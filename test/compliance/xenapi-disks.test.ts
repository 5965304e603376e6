/** What XenAPI reads and writes keeps the contract, whatever it is made of. */
import { join } from 'node:path';
import { localAdapter } from '../../src/adapters/local/index.ts';
import { type BlockDevice, PLAIN, type ReadableBlockDevice } from '../../src/block/index.ts';
import { NO_BOOT_FILES } from '../../src/control/index.ts';
import type { Adapter } from '../../src/repositories/index.ts';
import { buildIndexOfChain } from '../../src/vdisk/index.ts';
import type { DiskName } from '../../src/xenapi/index.ts';
import { randomContent } from '../support/content.ts';
import { FolderArray } from '../support/folder-array.ts';
import { LayerBench } from '../support/layer-bench.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { VolumeRig } from '../support/volume-rig.ts';
import { describeBlockDevice, describeReadable, type Subject } from './block-device.ts';

const SIZE = 1024 * 1024 + 3 * 4096 + 512;

/** The adapter of folders, in this one. */
function inFolder(path: string): Adapter {
  const here = <T extends { readonly settings: object }>(connection: T): T => ({
    ...connection,
    settings: { path },
  });
  return {
    ...localAdapter,
    probe: (target, parts, signal) => localAdapter.probe(here(target), parts, signal),
    attach: (connection, ...rest) => localAdapter.attach(here(connection), ...rest),
    openData: (connection, ...rest) => localAdapter.openData(here(connection), ...rest),
  };
}

async function openRig(isLayered: boolean) {
  const folder = await temporaryFolder('xenapi-disks');
  const path = join(folder.path, 'one');
  const array = isLayered ? new FolderArray(path) : { adapter: inFolder(folder.path) };
  const rig = await VolumeRig.open({ arrays: { one: array } });
  const remove = async (): Promise<void> => {
    await rig.close();
    await folder.remove();
  };
  return { rig, remove };
}

/** A volume that holds `content`, written with so many snapshots in between. */
async function written(rig: VolumeRig, content: Buffer, snapshots: number): Promise<void> {
  await rig.createVolume('one', 'v', SIZE);
  const { device, close } = await rig.disks.open(rig.volume('v'), { write: true });
  const step = Math.ceil(SIZE / (snapshots + 1) / 512) * 512;
  for (let at = 0, number = 0; at < SIZE; at += step, number++) {
    await device.write(content.subarray(at, Math.min(SIZE, at + step)), at, PLAIN);
    if (number < snapshots) await rig.snapshot({ v: `s${number}` });
  }
  await close();
}

async function volume(isLayered: boolean, snapshots: number): Promise<Subject<BlockDevice>> {
  const content = randomContent(SIZE);
  const { rig, remove } = await openRig(isLayered);
  await written(rig, content, snapshots);
  const { device, close } = await rig.disks.open(rig.volume('v'), { write: true });
  return { device, content, dispose: () => close().then(remove) };
}

async function readable(
  rig: VolumeRig,
  what: DiskName,
  content: Buffer,
  remove: () => Promise<void>,
): Promise<Subject<ReadableBlockDevice>> {
  const { device, close } = await rig.disks.open(what, { write: false });
  return { device, content, dispose: () => close().then(remove) };
}

describeBlockDevice('XenAPI: a volume of a folder', () => volume(false, 0));
describeBlockDevice('XenAPI: a volume of layers', () => volume(true, 3));

describeReadable('XenAPI: a volume that is only read', async () => {
  const content = randomContent(SIZE);
  const { rig, remove } = await openRig(true);
  await written(rig, content, 2);
  return readable(rig, rig.volume('v'), content, remove);
});

describeReadable('XenAPI: a snapshot', async () => {
  const content = randomContent(SIZE);
  const { rig, remove } = await openRig(true);
  await written(rig, content, 2);
  await rig.snapshot({ v: 'last' });
  const { device, close } = await rig.disks.open(rig.volume('v'), { write: true });
  await device.write(Buffer.alloc(SIZE, 1), 0, PLAIN);
  await close();
  return readable(rig, rig.snapshotName('last'), content, remove);
});

describeReadable('XenAPI: a version of a vDisk', async () => {
  const bench = await LayerBench.create();
  const { chain, content } = await bench.import(randomContent(SIZE));
  const index = await buildIndexOfChain(chain, bench.layersFolder);
  const layers = chain.map(({ layerId, volume: of }) => ({ layerId, volume: of }));
  const plan = { layerId: 'top', size: content.length, index, layers };
  const rig = await VolumeRig.open({
    arrays: {},
    layers: { use: () => () => {}, plan: async () => plan },
    own: bench.repository.data,
  });
  rig.catalog.versions.byId = () => SEALED;
  return readable(rig, { versionId: 'v' }, content, async () => {
    await rig.close();
    await bench.close();
  });
});

const SEALED = {
  ...{ id: 'v', vdiskId: 'd', number: 1, state: 'production' as const, layerId: 'top' },
  ...{ contentId: 'c', size: SIZE, dataBytes: SIZE, releaseAt: undefined, sealedAt: 1 },
  ...{ parentNumber: undefined, description: '', format: 'raw', kernelArguments: '', createdAt: 1 },
  bootFiles: NO_BOOT_FILES,
};
