/**
 * Versions of disks made the way they come about: images are imported, machines write to overlays, which
 * are sealed; layers are merged. Beside each there is what the disk must hold.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type BlockDevice,
  PLAIN,
  type ReadableBlockDevice,
  ReadCache,
} from '../../src/block/index.ts';
import type { VolumeControl, VolumeData } from '../../src/repositories/index.ts';
import {
  buildIndexOfChain,
  type ClosedOverlay,
  type DamagedChunk,
  formatOverlay,
  importImage,
  type LayerChain,
  type LayerSource,
  type LayerWork,
  lastJournalled,
  type MergeRequest,
  mergeLayers,
  openChain,
  openLayerChain,
  openOverlay,
  overlayMapBytes,
  recoverOverlay,
  removeLayer,
  type SealedLayer,
  type SealRequest,
  sealOverlay,
  type VerifyRequest,
  type VerifyWork,
  verifyLayer,
} from '../../src/vdisk/index.ts';
import { MemoryRepository } from './memory-repository.ts';
import { temporaryFolder } from './temporary-folder.ts';

const CHUNK = 64 * 1024;
export const BOOT_ID = 'boot-1';

/** A state of a disk: the layers it is stored in, and what it holds. */
export interface BenchVersion {
  readonly chain: LayerChain;
  readonly content: Buffer;
  readonly contentId: string;
}

/** An overlay that is open in one worker. */
export interface BenchOverlay {
  readonly overlay: ClosedOverlay;
  readonly device: BlockDevice;
  readonly state: SharedArrayBuffer;
  readonly parent: BenchVersion;
}

export interface Repository {
  readonly control: VolumeControl;
  readonly data: VolumeData;
}

export class LayerBench {
  readonly layersFolder: string;
  readonly repository: Repository;
  /** Shared by everything that is opened with it, so that versions share blocks. */
  readonly cache = new ReadCache({ capacityBytes: 4 * 1024 * 1024 });
  readonly #folder: string;
  readonly #remove: () => Promise<void>;
  #names = 0;

  private constructor(folder: string, repository: Repository, remove: () => Promise<void>) {
    this.#folder = folder;
    this.layersFolder = join(folder, 'layers');
    this.repository = repository;
    this.#remove = remove;
  }

  static async create(
    makeRepository: (folder: string) => Repository | Promise<Repository> = () =>
      new MemoryRepository(),
  ): Promise<LayerBench> {
    const { path, remove } = await temporaryFolder('layer-bench');
    const bench = new LayerBench(path, await makeRepository(path), remove);
    await mkdir(bench.layersFolder);
    return bench;
  }

  newName(what: string): string {
    this.#names += 1;
    return `${what}-${this.#names}`;
  }

  work(change: Partial<LayerWork> = {}): LayerWork {
    return {
      layersFolder: this.layersFolder,
      volumeData: this.repository.data,
      progress: () => undefined,
      signal: new AbortController().signal,
      ...change,
    };
  }

  /** Imports a raw image. */
  async import(content: Buffer): Promise<BenchVersion> {
    const layerId = this.newName('base');
    const path = join(this.#folder, `${layerId}.img`);
    await writeFile(path, content);
    const { control: volumes, data: volumeData } = this.repository;
    const imported = await importImage(
      { path, format: 'raw', kernel: undefined, initrd: undefined },
      { volumes, volumeData, layersFolder: this.layersFolder, newId: () => layerId },
      () => undefined,
      new AbortController().signal,
    );
    const { locator: volume } = await volumes.showVolume(layerId);
    const source: LayerSource = { layerId, kind: 'base', size: imported.size, volume };
    const whole = Buffer.concat([content, Buffer.alloc(imported.size - content.length)]);
    return { chain: [source], content: whole, contentId: imported.contentId };
  }

  /** Opens a fresh overlay. What it does not own is garbage in its data volume. */
  async overlay(parent: BenchVersion, size = parent.content.length): Promise<BenchOverlay> {
    const { control } = this.repository;
    const id = this.newName('overlay');
    const { locator: map } = await control.createVolume({
      id: `${id}.map`,
      size: overlayMapBytes(size),
    });
    const mapDevice = await this.repository.data.open(map, { write: true });
    await formatOverlay(mapDevice, { size, bootId: BOOT_ID });
    await mapDevice.close();
    const { locator: data } = await control.createVolume({ id: `${id}.data`, size });
    const dataDevice = await this.repository.data.open(data, { write: true });
    await dataDevice.write(Buffer.alloc(size, 0x66), 0, PLAIN);
    await dataDevice.close();
    return this.reopen({ data, map, size, bootId: BOOT_ID }, parent);
  }

  /** As the service opens it for a machine. */
  async reopen(overlay: ClosedOverlay, parent: BenchVersion): Promise<BenchOverlay> {
    const { data: volumes } = this.repository;
    const { size, bootId } = overlay;
    const map = await volumes.open(overlay.map, { write: true });
    const state = await recoverOverlay({ map, size, bootId, quotaBytes: undefined, workers: 1 });
    const data = await volumes.open(overlay.data, { write: true });
    const base = await this.openCached(parent, size);
    const device = openOverlay({ state, base, data, map, worker: 0, onFull: () => undefined });
    return { overlay, device, state, parent };
  }

  /** As the workers open a version. */
  async openCached(
    { chain }: BenchVersion,
    size = chain.at(-1)?.size ?? 0,
  ): Promise<ReadableBlockDevice> {
    const index = await buildIndexOfChain(chain, this.layersFolder, { size });
    const open = async ({ layerId, volume }: LayerSource) => ({
      layerId,
      volume: await this.repository.data.open(volume, { write: false }),
    });
    const [base, ...above] = chain;
    const layers: [Awaited<ReturnType<typeof open>>, ...Awaited<ReturnType<typeof open>>[]] = [
      await open(base),
    ];
    for (const layer of above) layers.push(await open(layer));
    return openChain({ index, layers, cache: this.cache });
  }

  /** Closes the overlay and seals it. */
  async seal(
    { overlay, device, state, parent }: BenchOverlay,
    content: Buffer,
    change: Partial<SealRequest> = {},
    work: LayerWork = this.work(),
  ): Promise<BenchVersion & { readonly sealed: SealedLayer }> {
    await device.close();
    const layerId = change.layerId ?? this.newName('difference');
    const journalled = lastJournalled(state);
    const request = { overlay: { ...overlay, journalled }, parent: parent.chain, layerId };
    const sealed = await sealOverlay({ ...request, ...change }, work);
    const source: LayerSource = {
      layerId,
      kind: 'difference',
      size: overlay.size,
      volume: overlay.data,
    };
    const { contentId } = sealed;
    return { chain: [...parent.chain, source], content, contentId, sealed };
  }

  async merge(
    { chain, content, contentId }: BenchVersion,
    mode: MergeRequest['mode'],
    change: Partial<MergeRequest> = {},
    work: LayerWork = this.work(),
  ): Promise<BenchVersion> {
    const layerId = change.layerId ?? this.newName(mode);
    const { control: volumes } = this.repository;
    const request = { chain, mode, layerId, expectedContentId: contentId };
    const merged = await mergeLayers({ ...request, ...change }, { ...work, volumes });
    const { locator: volume } = await volumes.showVolume(layerId);
    const source: LayerSource = { layerId, kind: merged.kind, size: merged.size, volume };
    const [base] = chain;
    const mergedChain: LayerChain = merged.kind === 'base' ? [source] : [base, source];
    return { chain: mergedChain, content, contentId: merged.contentId };
  }

  /** @returns the damage found */
  async verify(
    chain: LayerChain,
    change: Partial<VerifyRequest> = {},
    work: VerifyWork = this.work(),
  ): Promise<readonly DamagedChunk[]> {
    const damage: DamagedChunk[] = [];
    const onDamage = (one: DamagedChunk): void => void damage.push(one);
    await verifyLayer({ chain, onlyOwn: false, onDamage, ...change }, work);
    return damage;
  }

  /** The disk through openLayerChain and through the workers' cache. */
  async readBothWays(version: BenchVersion): Promise<readonly [direct: Buffer, cached: Buffer]> {
    const { chain } = version;
    const disk = await openLayerChain(chain, this.work());
    const direct = Buffer.alloc(disk.size, 0xee);
    await disk.device.read(direct, 0);
    await disk.close();
    const device = await this.openCached(version);
    const cached = Buffer.alloc(device.geometry.size, 0xee);
    await device.read(cached, 0);
    await device.close();
    return [direct, cached];
  }

  /** Removes a layer together with the volume that was made for it. */
  remove(layerId: string): Promise<void> {
    return removeLayer(this.layersFolder, layerId, this.repository.control);
  }

  async folders(): Promise<readonly string[]> {
    return (await readdir(this.layersFolder)).toSorted();
  }

  async close(): Promise<void> {
    await this.#remove();
  }
}

/** A bench over a repository in memory, and that repository. */
export async function memoryBench(): Promise<{
  readonly bench: LayerBench;
  readonly memory: MemoryRepository;
}> {
  const memory = new MemoryRepository();
  return { bench: await LayerBench.create(() => memory), memory };
}

/** The content id by its definition, of a whole disk in memory. */
export function naiveContentId(content: Buffer): string {
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(value));
    return bytes;
  };
  const id = createHash('sha256').update('rootcast layer, version 1\n');
  id.update(number(content.length)).update(number(CHUNK));
  for (let at = 0; at < content.length; at += CHUNK) {
    const chunk = content.subarray(at, at + CHUNK);
    if (chunk.every((byte) => byte === 0)) continue;
    id.update(number(at / CHUNK)).update(createHash('sha256').update(chunk).digest());
  }
  return id.digest('hex');
}

/** Two contents, without a diff of megabytes. */
export function expectSame(actual: Buffer, expected: Buffer, what: string): void {
  if (actual.equals(expected)) return;
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  throw new Error(
    `${what}: ${actual.length} bytes of ${expected.length}; byte ${at} is ${actual[at]} instead of ${expected[at]}`,
  );
}
