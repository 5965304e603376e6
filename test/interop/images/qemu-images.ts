import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LocalVolumeControl, LocalVolumeData } from '../../../src/adapters/local/index.ts';
import { type ImportedImage, importImage } from '../../../src/vdisk/index.ts';

const run = promisify(execFile);

export async function tool(program: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };
  return (await run(program, args, { env, maxBuffer: 2 ** 26 })).stdout;
}

/** A folder with images, a repository and layers, as the service has them. */
export class ImageBench {
  readonly folder: string;
  readonly repository: string;
  readonly layers: string;
  #ids = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.repository = join(folder, 'repository');
    this.layers = join(folder, 'layers');
  }

  static async create(): Promise<ImageBench> {
    const bench = new ImageBench(await mkdtemp(join(tmpdir(), 'rootcast-images-')));
    await tool('mkdir', bench.repository, bench.layers);
    return bench;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async import(
    name: string,
    options: {
      readonly format?: string;
      readonly repository?: string;
      readonly onProgress?: () => void;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<ImportedImage> {
    const volumes = await LocalVolumeControl.attach(options.repository ?? this.repository);
    return importImage(
      { path: this.path(name), format: options.format, kernel: undefined, initrd: undefined },
      {
        volumes,
        volumeData: new LocalVolumeData({ log: { warn: () => undefined } }),
        layersFolder: this.layers,
        newId: () => {
          this.#ids += 1;
          return `layer-${this.#ids}`;
        },
      },
      options.onProgress ?? (() => undefined),
      options.signal ?? new AbortController().signal,
    );
  }

  async volumePath(layerId: string): Promise<string> {
    const volumes = await LocalVolumeControl.attach(this.repository);
    return String((await volumes.showVolume(layerId)).locator.address['path']);
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}
