import { realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type BlockDevice, ReadOnlyDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import type {
  AdapterParts,
  Connection,
  VolumeData,
  VolumeLocator,
} from '../../repositories/index.ts';
import { strangerId } from './attached-folder.ts';
import { regularFile } from './durable-files.ts';
import { LocalVolumeData } from './local-data.ts';
import { readSidecar, SIDECAR_ENDING } from './sidecar.ts';
import { LOCAL_ADAPTER } from './volume-path.ts';

/** Opens what a repository's folder holds. A file is what its sidecar says, whatever it is called. */
export class LocalArrayData implements VolumeData {
  readonly #connection: Connection;
  readonly #files: LocalVolumeData;
  readonly #open = new Set<BlockDevice>();

  constructor(connection: Connection, parts: AdapterParts) {
    this.#connection = connection;
    this.#files = new LocalVolumeData({ clock: parts.clock, log: parts.log });
  }

  async open(locator: VolumeLocator, options: { readonly write: boolean }): Promise<BlockDevice> {
    try {
      const path = await this.#find(locator, options.write);
      const device = await this.#files.open({ ...locator, address: { path } }, options);
      this.#open.add(device);
      const close = device.close.bind(device);
      device.close = async () => {
        this.#open.delete(device);
        await close();
      };
      return options.write ? device : new ReadOnlyDevice(device);
    } catch (error) {
      throw BlockError.from(error, 'open', 0, 0);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open].map((device) => device.close()));
  }

  async #find(locator: VolumeLocator, write: boolean): Promise<string> {
    const { path } = this.#connection.settings;
    const { file, id } = locator.address;
    const usable = typeof path === 'string' && typeof file === 'string' && basename(file) === file;
    if (locator.adapter !== LOCAL_ADAPTER || !usable || file.startsWith('.')) {
      throw new BlockError('EINVAL', 'open', 0, 0, `not a local volume: ${locator.volume}`);
    }
    const folder = await realpath(path);
    const state = await regularFile(folder, file);
    const sidecar = await readSidecar(folder, file + SIDECAR_ENDING);
    const found =
      sidecar === undefined ? state && strangerId(state) : sidecar !== 'unreadable' && sidecar.id;
    if (state === undefined || found !== id) {
      throw new BlockError(
        'ESTALE',
        'open',
        0,
        0,
        `volume ${locator.volume} is not there any more`,
      );
    }
    if (write && typeof sidecar === 'object' && sidecar.kind === 'snapshot') {
      throw new BlockError('EROFS', 'open', 0, 0, `${locator.volume} is a snapshot`);
    }
    return join(folder, file);
  }
}
