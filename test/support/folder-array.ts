/** An array without snapshots that is a folder of sparse files: outlives the process that has it attached. */
import { mkdirSync, truncateSync } from 'node:fs';
import { LocalVolumeControl, LocalVolumeData } from '../../src/adapters/local/index.ts';
import { ArrayError, Fault } from '../../src/errors/index.ts';
import {
  type Adapter,
  type ArrayControl,
  type ArrayVolume,
  capabilities,
  type Volume,
} from '../../src/repositories/index.ts';

export class FolderArray {
  readonly adapter: Adapter;

  constructor(folder: string) {
    const data = new LocalVolumeData({ log: { warn: () => {} } });
    this.adapter = {
      kind: 'folder',
      description: 'a folder',
      settings: [],
      probe: async () => ({ step: 'ready', choose: undefined, found: [] }),
      attach: async ({ repositoryId }) => {
        mkdirSync(folder, { recursive: true });
        return control(repositoryId, await LocalVolumeControl.attach(folder));
      },
      openData: () => data,
    };
  }
}

function control(repository: string, volumes: LocalVolumeControl): ArrayControl {
  const told = ({ id, size, allocated, locator }: Volume): ArrayVolume => ({
    ref: { kind: 'volume', nativeId: id, name: id },
    ...{ tag: id, size, allocated, thin: true, wwid: undefined, parent: undefined },
    locator: { ...locator, repository },
  });
  const find = async (id: string): Promise<ArrayVolume | undefined> => {
    try {
      return told(await volumes.showVolume(id));
    } catch (error) {
      if (error instanceof Fault && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  };
  return {
    info: {
      ...{ vendor: 'test', product: 'folder', version: '1', serial: '1' },
      capabilities: capabilities({ thin: 'yes', resizeOnline: 'yes' }),
      limits: { sizeGranularity: 512, sizeMinimum: 512, sizeMaximum: 2 ** 50, nameLength: 100 },
    },
    space: () => volumes.space(),
    health: async () => ({ state: 'good', messages: [], paths: [] }),
    createVolume: async ({ tag, size }) =>
      (await find(tag)) ?? told(await volumes.createVolume({ id: tag, size })),
    deleteVolume: async ({ ref }) => {
      if ((await find(ref.nativeId)) !== undefined) await volumes.deleteVolume(ref.nativeId);
    },
    resizeVolume: async ({ ref, size }) => {
      const found = await find(ref.nativeId);
      if (found === undefined) throw new ArrayError('NOT_FOUND', ref.name);
      if (found.size < size) truncateSync(String(found.locator.address['path']), size);
      return (await find(ref.nativeId)) ?? found;
    },
    findVolume: (by) => find('tag' in by ? by.tag : by.ref.nativeId),
    listVolumes: async () => ({
      items: (await volumes.listVolumes()).map(told),
      cursor: undefined,
    }),
    adoptVolume: async () => {
      throw new ArrayError('UNSUPPORTED', 'adopt');
    },
    releaseVolume: async () => {},
    ...{ snapshots: undefined, clones: undefined, masking: undefined, replication: undefined },
    close: async () => {},
  };
}
