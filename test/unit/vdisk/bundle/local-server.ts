/** A server whose versions are layers in folders and volumes of the local adapter. */
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalVolumeControl, LocalVolumeData } from '../../../../src/adapters/local/index.ts';
import { type BlockDevice, PLAIN, type ReadableBlockDevice } from '../../../../src/block/index.ts';
import {
  type BundleTarget,
  type BundleVersion,
  ChunkInventory,
  type VersionSink,
} from '../../../../src/vdisk/bundle/index.ts';
import {
  beginLayer,
  commitLayer,
  discardLayer,
  type HalfLayer,
  type LayerFiles,
  layerFiles,
} from '../../../../src/vdisk/layers/layer-files.ts';
import {
  CHUNK_BYTES,
  chunkLength,
  readManifestHeader,
} from '../../../../src/vdisk/manifest/index.ts';

/** A base or a difference in a volume. What it owns is known to this process alone: that is enough here. */
export class LocalLayer implements VersionSink {
  readonly id: string;
  readonly size: number;
  readonly parent: LocalLayer | undefined;
  readonly device: BlockDevice;
  readonly half: HalfLayer;
  readonly #server: LocalServer;
  readonly #owned = new Set<number>();
  readonly #zeroed = new Set<number>();
  files: LayerFiles;
  contentId = '';

  constructor(
    id: string,
    size: number,
    parent: LocalLayer | undefined,
    device: BlockDevice,
    half: HalfLayer,
    server: LocalServer,
  ) {
    this.id = id;
    this.size = size;
    this.parent = parent;
    this.device = device;
    this.half = half;
    this.files = half.files;
    this.#server = server;
  }

  get manifestPath(): string {
    return this.files.manifest;
  }

  /** Chunks in its own volume. */
  get owned(): readonly number[] {
    return [...this.#owned].sort((a, b) => a - b);
  }

  async readChunk(chunk: number): Promise<Buffer> {
    const bytes = Buffer.alloc(chunkLength(this.size, chunk));
    if (this.#owned.has(chunk)) await this.device.read(bytes, chunk * CHUNK_BYTES);
    else if (!this.#zeroed.has(chunk) && chunk * CHUNK_BYTES < (this.parent?.size ?? 0)) {
      (await this.parent?.readChunk(chunk))?.copy(bytes);
    }
    return bytes;
  }

  async writeChunk(chunk: number, bytes: Buffer): Promise<void> {
    await this.device.write(bytes, chunk * CHUNK_BYTES, PLAIN);
    this.#owned.add(chunk);
  }

  async zeroChunks(first: number, count: number): Promise<void> {
    for (let chunk = first; chunk < first + count; chunk += 1) this.#zeroed.add(chunk);
  }

  async putBootFile(kind: 'kernel' | 'initrd', path: string): Promise<void> {
    await copyFile(path, join(this.files.boot, kind));
  }

  async finish(): Promise<string> {
    await this.device.flush();
    this.contentId = (await readManifestHeader(this.manifestPath)).contentId;
    return this.contentId;
  }

  async abandon(): Promise<void> {
    await this.device.close();
    await discardLayer(this.half, this.#server.volumes);
  }

  async disk(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for (let chunk = 0; chunk * CHUNK_BYTES < this.size; chunk += 1) {
      chunks.push(await this.readChunk(chunk));
    }
    return Buffer.concat(chunks);
  }

  /** The whole disk, for a sender that asks for one chunk at a time. */
  open(): ReadableBlockDevice {
    return new Proxy<ReadableBlockDevice>(this.device, {
      get: (target, name) => {
        if (name === 'close') return async () => undefined;
        if (name === 'read') {
          return async (bytes: Buffer, offset: number) => {
            (await this.readChunk(offset / CHUNK_BYTES)).copy(bytes);
          };
        }
        return Reflect.get(target, name, target);
      },
    });
  }
}

export class LocalServer implements BundleTarget<LocalLayer, LocalLayer> {
  readonly folder: string;
  readonly volumes: LocalVolumeControl;
  readonly layers: LocalLayer[] = [];
  readonly #data = new LocalVolumeData({ log: { warn: () => undefined } });
  readonly #inventory: ChunkInventory;
  #begun = 0;

  private constructor(folder: string, volumes: LocalVolumeControl, inventory: ChunkInventory) {
    this.folder = folder;
    this.volumes = volumes;
    this.#inventory = inventory;
  }

  static async create(folder: string): Promise<LocalServer> {
    await mkdir(join(folder, 'layers'), { recursive: true });
    await mkdir(join(folder, 'temporary'));
    const volumes = await LocalVolumeControl.attach(join(folder, 'volumes'));
    const inventory = await ChunkInventory.create(join(folder, 'inventory'));
    return new LocalServer(folder, volumes, inventory);
  }

  get layersFolder(): string {
    return join(this.folder, 'layers');
  }

  get temporaryFolder(): string {
    return join(this.folder, 'temporary');
  }

  /** Layers, half layers, volumes and what was spooled. */
  async everything(): Promise<readonly string[]> {
    const volumes = await this.volumes.listVolumes();
    return [
      ...(await readdir(this.layersFolder)),
      ...(await readdir(this.temporaryFolder)),
      ...volumes.map(({ id }) => id),
    ];
  }

  /** What a catalog does when a bundle has been read. */
  async commit(layers: readonly LocalLayer[]): Promise<void> {
    for (const layer of layers) {
      await commitLayer(layer.half);
      layer.files = layerFiles(this.layersFolder, layer.id);
      await this.#inventory.add(layer.id, layer.manifestPath);
      this.layers.push(layer);
    }
  }

  async close(): Promise<void> {
    await this.#inventory.close();
    for (const layer of this.layers) await layer.device.close();
  }

  async accept(): Promise<void> {}

  async haveVersion(contentId: string): Promise<LocalLayer | undefined> {
    return this.layers.find((layer) => layer.contentId === contentId);
  }

  async hasChunk(hash: Buffer): Promise<boolean> {
    return this.#inventory.has(hash);
  }

  async localChunk(hash: Buffer): Promise<Buffer | undefined> {
    const place = await this.#inventory.find(hash);
    return this.layers.find(({ id }) => id === place?.layer)?.readChunk(place?.chunk ?? 0);
  }

  async beginVersion(version: BundleVersion, parent: LocalLayer | undefined): Promise<LocalLayer> {
    this.#begun += 1;
    const id = `layer-${this.#begun}`;
    const half = await beginLayer(this.layersFolder, id, 'own');
    const volume = await this.volumes.createVolume({ id, size: version.size });
    const device = await this.#data.open(volume.locator, { write: true });
    return new LocalLayer(id, version.size, parent, device, half, this);
  }
}
