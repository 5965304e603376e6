/**
 * A version of a bundle becomes a layer: a base where it stands alone, and otherwise a difference over its
 * parent, in whole chunks. It is begun as any layer is (layers/layer-files.ts), so that what a crash leaves of
 * it is known for what it is; when it has finished it is there, and the catalog does not know it yet.
 *
 * On the sender versions may have been merged; here each stands on the one before. What grows too
 * deep is merged as it comes.
 */
import { constants } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { syncPath } from '../../base/index.ts';
import { type BlockDevice, ZEROES } from '../../block/index.ts';
import { Fault } from '../../errors/index.ts';
import {
  freeBytesOf,
  type VolumeControl,
  type VolumeData,
  type VolumeLocator,
} from '../../repositories/index.ts';
import type { VersionSink } from '../bundle/index.ts';
import { DISK_SIZE_UNIT } from '../import/index.ts';
import {
  beginLayer,
  bytesOf,
  commitLayer,
  createLayerVolume,
  discardLayer,
  FLUSH_EVERY_BYTES,
  type HalfLayer,
  INITRD_FILE,
  KERNEL_FILE,
  type LayerChain,
  type LayerSource,
  layerFiles,
  mergeLayers,
  noSpace,
  readAll,
  removeLayer,
  SPACE_RESERVE_BYTES,
  writeAll,
  writeLayerMap,
} from '../layers/index.ts';
import {
  bitmapBytes,
  CHUNK_BYTES,
  chunkLength,
  markChunk,
  readManifestHeader,
  readPresentChunks,
} from '../manifest/index.ts';
import { BLOCKS_PER_UNIT } from '../overlay/index.ts';
import { ChunkSet } from './chunk-set.ts';
import type { LayerBelow } from './layer-below.ts';

export interface ReceiveParts {
  /** Exists; holds a folder for each layer. */
  readonly layersFolder: string;
  readonly volumes: Pick<VolumeControl, 'createVolume' | 'deleteVolume' | 'showVolume' | 'space'>;
  readonly volumeData: VolumeData;
  /** A fresh name, good for a volume and a file. */
  readonly newId: () => string;
  /** Layers of a chain, at least 2: one that has more is merged. */
  readonly depthMax: number;
  readonly signal: AbortSignal;
}

/** What has become of a version, for the catalog. */
export interface FinishedLayer {
  /** Also the name of its volume. */
  readonly layerId: string;
  /** What it is a difference to; undefined: a base. */
  readonly parentId: string | undefined;
  readonly contentId: string;
  /** Bytes of the disk; of those, in chunks that are not all zeroes; and those that the layer itself holds. */
  readonly size: number;
  readonly dataBytes: number;
  readonly ownBytes: number;
}

/** Whole units of 64 KiB, which chunks are. */
const BYTES_OF_UNIT = BLOCKS_PER_UNIT / 8;

export class ReceivedLayer implements VersionSink, LayerBelow {
  readonly size: number;
  readonly #parts: ReceiveParts;
  readonly #below: LayerBelow | undefined;
  readonly #half: HalfLayer;
  readonly #volume: VolumeLocator;
  /** Where what was merged has gone. */
  #mergedVolume: VolumeLocator | undefined;
  readonly #written = new ChunkSet();
  readonly #zeroed = new ChunkSet();
  #device: Promise<BlockDevice> | undefined;
  #writtenBytes = 0;
  #unflushed = 0;
  /** Its folder has its final name. */
  #isThere = false;
  #finished: FinishedLayer | undefined;

  private constructor(
    parts: ReceiveParts,
    size: number,
    below: LayerBelow | undefined,
    half: HalfLayer,
    volume: VolumeLocator,
  ) {
    this.#parts = parts;
    this.size = size;
    this.#below = below;
    this.#half = half;
    this.#volume = volume;
  }

  /** @throws Fault IMAGE_UNSUPPORTED (a size that no disk has here), NO_SPACE and others of the repository */
  static async begin(
    parts: ReceiveParts,
    size: number,
    below: LayerBelow | undefined,
  ): Promise<ReceivedLayer> {
    checkSize(size, below);
    const half = await beginLayer(parts.layersFolder, parts.newId(), 'own');
    try {
      const { locator } = await createLayerVolume(half, size, parts.volumes);
      return new ReceivedLayer(parts, size, below, half, locator);
    } catch (error) {
      await discardLayer(half, parts.volumes).catch(() => undefined);
      throw error;
    }
  }

  get manifestPath(): string {
    const { layersFolder, layerId, files } = this.#half;
    return this.#isThere ? layerFiles(layersFolder, layerId).manifest : files.manifest;
  }

  chain(): LayerChain {
    const { layerId, parentId } = this.finished();
    const self = (kind: LayerSource['kind']): LayerSource => ({
      ...{ layerId, kind, size: this.size },
      volume: this.#mergedVolume ?? this.#volume,
    });
    if (this.#below === undefined || parentId === undefined) return [self('base')];
    const below = this.#below.chain();
    const at = below.findIndex((layer) => layer.layerId === parentId);
    return [below[0], ...below.slice(1, at + 1), self('difference')];
  }

  /** @throws Fault INTERNAL before it has finished */
  finished(): FinishedLayer {
    if (this.#finished !== undefined) return this.#finished;
    throw new Fault('INTERNAL', `layer ${this.#half.layerId} has not finished`);
  }

  async readChunk(chunk: number): Promise<Buffer> {
    const length = chunkLength(this.size, chunk);
    if (this.#written.has(chunk)) {
      const bytes = Buffer.allocUnsafeSlow(length);
      await readAll(await this.#open(), bytes, chunk * CHUNK_BYTES);
      return bytes;
    }
    const below = this.#below;
    const isZero = below === undefined || this.#zeroed.has(chunk);
    const end = chunk * CHUNK_BYTES + length;
    // The last chunk of a disk that has grown since is written, or it is zeroes.
    if (isZero || end > below.size) return ZEROES.subarray(0, length);
    return below.readChunk(chunk);
  }

  async writeChunk(chunk: number, bytes: Buffer): Promise<void> {
    const device = await this.#open();
    await writeAll(device, bytes, chunk * CHUNK_BYTES);
    this.#written.add(chunk);
    this.#writtenBytes += bytes.length;
    this.#unflushed += bytes.length;
    if (this.#unflushed < FLUSH_EVERY_BYTES) return;
    this.#unflushed = 0;
    await device.flush();
    const free = freeBytesOf(await this.#parts.volumes.space());
    if (free < SPACE_RESERVE_BYTES) throw noSpace('the bundle', SPACE_RESERVE_BYTES, free);
  }

  async zeroChunks(first: number, count: number): Promise<void> {
    this.#zeroed.addRange(first, count);
  }

  async putBootFile(kind: 'kernel' | 'initrd', path: string): Promise<void> {
    const target = join(this.#half.files.boot, kind === 'kernel' ? KERNEL_FILE : INITRD_FILE);
    await copyFile(path, target, constants.COPYFILE_EXCL);
    await syncPath(target);
  }

  async finish(): Promise<string> {
    const { layerId, files } = this.#half;
    if (this.#device !== undefined) await (await this.#device).flush();
    if (this.#below !== undefined) await this.#writeMap();
    const { contentId } = await readManifestHeader(files.manifest);
    const dataBytes = bytesOf(await readPresentChunks(files.manifest), this.size);
    await commitLayer(this.#half);
    this.#isThere = true;
    const parentId = this.#below?.chain().at(-1)?.layerId;
    const ownBytes = this.#writtenBytes;
    this.#finished = { layerId, parentId, contentId, size: this.size, dataBytes, ownBytes };
    if (this.chain().length > this.#parts.depthMax) await this.#merge();
    return contentId;
  }

  async abandon(): Promise<void> {
    const { layersFolder, volumes } = this.#parts;
    await this.close();
    const { layerId = this.#half.layerId } = this.#finished ?? {};
    if (this.#isThere) await removeLayer(layersFolder, layerId, volumes);
    else await discardLayer(this.#half, volumes);
  }

  /** Nothing of it is read or written any more. */
  async close(): Promise<void> {
    const opening = this.#device;
    this.#device = undefined;
    const device = await opening?.catch(() => undefined);
    await device?.close();
  }

  #open(): Promise<BlockDevice> {
    this.#device ??= this.#parts.volumeData.open(this.#volume, { write: true });
    return this.#device;
  }

  async #writeMap(): Promise<void> {
    const owned = new Uint8Array(bitmapBytes(this.size) * 8 * BYTES_OF_UNIT);
    const zeroed = new Uint8Array(bitmapBytes(this.size));
    for (const chunk of this.#written.chunks()) {
      owned.fill(0xff, chunk * BYTES_OF_UNIT, (chunk + 1) * BYTES_OF_UNIT);
    }
    for (const chunk of this.#zeroed.chunks()) markChunk(zeroed, chunk);
    await writeLayerMap(this.#half.files.map, { size: this.size, owned, zeroed });
  }

  /** All differences in one, over the same base; proven to be the same content. */
  async #merge(): Promise<void> {
    const { layersFolder, volumes, volumeData, newId, signal } = this.#parts;
    const chain = this.chain();
    const { contentId, layerId: before } = this.finished();
    const request = { chain, layerId: newId(), expectedContentId: contentId } as const;
    const work = { layersFolder, volumes, volumeData, signal, progress: () => undefined };
    const merged = await mergeLayers({ ...request, mode: 'partial' }, work);
    const { layerId, dataBytes, ownedBytes: ownBytes } = merged;
    const parentId = chain[0].layerId;
    this.#finished = { ...this.finished(), layerId, parentId, dataBytes, ownBytes };
    this.#mergedVolume = (await volumes.showVolume(layerId)).locator;
    // What cannot be removed now is for whoever cleans up at the next start.
    await removeLayer(layersFolder, before, volumes).catch(() => undefined);
  }
}

function checkSize(size: number, below: LayerBelow | undefined): void {
  const refuse = (expected: string): never => {
    const details = { field: 'version.size', value: size, expected };
    throw new Fault(
      'IMAGE_UNSUPPORTED',
      `a version of ${size} bytes: expected ${expected}`,
      details,
    );
  };
  if (size % DISK_SIZE_UNIT !== 0) refuse(`a multiple of ${DISK_SIZE_UNIT} bytes`);
  if (below !== undefined && below.size > size) {
    refuse(`${below.size} bytes or more, as the version has that it was made from`);
  }
}
