/** A repository in memory and a folder for layers: everything an import asks for, all in the test's hands. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlockDevice } from '../../../../src/block/index.ts';
import { MemoryDevice } from '../../../../src/block/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import type { Volume } from '../../../../src/repositories/index.ts';
import { type ImportDependencies, importImage } from '../../../../src/vdisk/import/index.ts';
import type { MemoryFiles } from '../formats/memory-files.ts';

export class ImportBench {
  readonly volumes = new Map<string, MemoryDevice>();
  /** undefined: nobody can tell. */
  free: number | undefined = 2 ** 50;
  ids = 0;
  /** Wraps the device that the import writes to. */
  wrap: (device: BlockDevice) => BlockDevice = (device) => device;
  readonly layersFolder: string;
  readonly #files: MemoryFiles;

  private constructor(layersFolder: string, files: MemoryFiles) {
    this.layersFolder = layersFolder;
    this.#files = files;
  }

  static async create(files: MemoryFiles): Promise<ImportBench> {
    return new ImportBench(await mkdtemp(join(tmpdir(), 'rootcast-import-')), files);
  }

  get dependencies(): ImportDependencies {
    const volumeOf = (id: string, size: number): Volume => ({
      id,
      size,
      allocated: 0,
      locator: { adapter: 'memory', volume: id, address: {} },
    });
    return {
      layersFolder: this.layersFolder,
      newId: () => {
        this.ids += 1;
        return `layer-${this.ids}`;
      },
      openSource: this.#files.openSource,
      volumes: {
        createVolume: async ({ id, size }) => {
          this.volumes.set(id, new MemoryDevice({ size, minimumIo: 512 }));
          return volumeOf(id, size);
        },
        deleteVolume: async (id) => {
          if (!this.volumes.delete(id)) throw new Fault('NOT_FOUND', `no volume ${id}`);
        },
        space: async () =>
          this.free === undefined ? undefined : { total: 2 ** 50, free: this.free },
      },
      volumeData: {
        open: async (locator) => {
          const device = this.volumes.get(locator.volume);
          if (device === undefined) throw new Error(`no volume ${locator.volume}`);
          return this.wrap(notClosed(device));
        },
      },
    };
  }

  import(
    path: string,
    options: {
      readonly signal?: AbortSignal;
      readonly progress?: (progress: { bytesDone: number; bytesTotal: number }) => void;
      readonly format?: string;
      readonly kernel?: string;
      readonly initrd?: string;
    } = {},
  ) {
    const { format, kernel, initrd } = options;
    return importImage(
      { path, format, kernel, initrd },
      this.dependencies,
      options.progress ?? (() => undefined),
      options.signal ?? new AbortController().signal,
    );
  }

  async disk(layerId: string): Promise<Buffer> {
    const device = this.volumes.get(layerId);
    if (device === undefined) throw new Error(`no volume ${layerId}`);
    const disk = Buffer.alloc(device.geometry.size);
    await device.read(disk, 0);
    return disk;
  }

  /** Layers, half layers and volumes. */
  async leftOver(): Promise<readonly string[]> {
    return [...(await readdir(this.layersFolder)), ...this.volumes.keys()];
  }

  async close(): Promise<void> {
    await rm(this.layersFolder, { recursive: true });
  }
}

/** The import closes its handle; the volume stays. */
function notClosed(device: MemoryDevice): BlockDevice {
  return new Proxy<BlockDevice>(device, {
    get(target, name) {
      if (name === 'close') return async () => undefined;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
