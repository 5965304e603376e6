/**
 * Where the versions of a bundle go: layers beside those that are here. What is here already is not made
 * again, and stays as long as it is needed, whatever happens to its versions meanwhile.
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  type BootFileNames,
  type Catalog,
  type LayerRecord,
  NO_BOOT_FILES,
} from '../../control/index.ts';
import { freeBytesOf } from '../../repositories/index.ts';
import {
  type BundleBootFiles,
  type BundleHead,
  type BundleTarget,
  type BundleVersion,
  ExistingLayer,
  INITRD_FILE,
  KERNEL_FILE,
  type LayerBelow,
  noSpace,
  ReceivedLayer,
  type ReceivedVersion,
  SPACE_RESERVE_BYTES,
  type VersionNeeds,
} from '../../vdisk/index.ts';
import type { LayerShelf } from '../layer-shelf.ts';
import type { Repository } from '../repository.ts';
import { ChainReaders } from './chain-readers.ts';
import { LocalChunks } from './local-chunks.ts';

export interface LayerTargetParts {
  readonly catalog: Catalog;
  readonly repository: Repository;
  readonly layers: LayerShelf;
  readonly layersFolder: string;
  readonly temporaryFolder: string;
  readonly newId: () => string;
  /** Layers of a chain beyond which it is merged. */
  readonly depthMax: number;
}

export class LayerTarget implements BundleTarget<ReceivedLayer, ExistingLayer> {
  readonly #parts: LayerTargetParts;
  readonly #accept: (head: BundleHead) => void;
  readonly #signal: AbortSignal;
  readonly #readers: ChainReaders;
  readonly #local: LocalChunks;
  readonly #received: ReceivedLayer[] = [];
  readonly #existing: ExistingLayer[] = [];
  /** What ends the use of layers that were here. */
  readonly #uses: (() => void)[] = [];
  /** What kernel and initrd of those are called, as their versions have it. */
  readonly #names = new Map<string, BootFileNames>();
  #head: BundleHead | undefined;
  #promisedBytes = 0;

  constructor(parts: LayerTargetParts, accept: (head: BundleHead) => void, signal: AbortSignal) {
    const { layers, layersFolder, repository } = parts;
    this.#parts = parts;
    this.#accept = accept;
    this.#signal = signal;
    this.#readers = new ChainReaders({ layers, layersFolder, volumeData: repository.data });
    this.#local = new LocalChunks(parts, this.#readers, signal);
  }

  async accept(head: BundleHead): Promise<void> {
    this.#accept(head);
    this.#head = head;
  }

  async haveVersion(contentId: string): Promise<ExistingLayer | undefined> {
    const { layers, layersFolder, repository } = this.#parts;
    const layerId = await this.#findLayer(contentId);
    if (layerId === undefined) return undefined;
    const chain = await layers.chain(layerId);
    const layer = new ExistingLayer(chain, { layersFolder, volumeData: repository.data });
    this.#existing.push(layer);
    this.#local.first = [...this.#local.first, layerId];
    return layer;
  }

  hasChunk(hash: Buffer): Promise<boolean> {
    return this.#local.has(hash);
  }

  localChunk(hash: Buffer): Promise<Buffer | undefined> {
    return this.#local.read(hash);
  }

  async beginVersion(
    { size }: BundleVersion,
    parent: LayerBelow | undefined,
    { dataBytes }: VersionNeeds,
  ): Promise<ReceivedLayer> {
    const { repository, layersFolder, newId, depthMax } = this.#parts;
    const { volumes, data: volumeData } = repository;
    this.#promisedBytes += dataBytes;
    const needed = this.#promisedBytes + SPACE_RESERVE_BYTES;
    const free = freeBytesOf(await volumes.space());
    if (needed > free) throw noSpace('the bundle', needed, free);
    const parts = { layersFolder, volumes, volumeData, newId, depthMax, signal: this.#signal };
    const layer = await ReceivedLayer.begin(parts, size, parent);
    this.#received.push(layer);
    return layer;
  }

  /** What kernel and initrd of a version are called here. */
  bootFilesOf(received: ReceivedVersion<ReceivedLayer, ExistingLayer>): BootFileNames {
    const { bootFiles } = received.version;
    if (bootFiles !== undefined) return namesOf(bootFiles);
    const layerId = received.kind === 'existing' ? received.existing.layerId : '';
    return this.#names.get(layerId) ?? NO_BOOT_FILES;
  }

  /** Removes everything that was received: the catalog does not want it. */
  async abandon(): Promise<void> {
    for (const layer of this.#received.toReversed()) {
      // What cannot be removed now is removed at the next start.
      await layer.abandon().catch(() => undefined);
    }
  }

  /** Nothing is read or written any more; layers that were here may go. */
  async close(): Promise<void> {
    for (const layer of [...this.#received, ...this.#existing]) {
      await layer.close().catch(() => undefined);
    }
    await this.#local.close();
    await this.#readers.close();
    for (const done of this.#uses.splice(0)) done();
  }

  /** A layer of this content that is whole, and boots with what the bundle has for it; in use from here on. */
  async #findLayer(contentId: string): Promise<string | undefined> {
    const { catalog, layers } = this.#parts;
    const versions =
      this.#head?.versions.filter((version) => version.contentId === contentId) ?? [];
    for (const { id } of catalog.layers.ofContent(contentId)) {
      const chain = catalog.layers.chain(id);
      if (chain.length === 0 || !isWhole(chain)) continue;
      const done = layers.use(id);
      const fits = await this.#fits(id, versions).catch((error: unknown) => {
        done();
        throw error;
      });
      if (fits) {
        this.#uses.push(done);
        return id;
      }
      done();
    }
    return undefined;
  }

  async #fits(layerId: string, versions: readonly BundleVersion[]): Promise<boolean> {
    const names = this.#parts.catalog.versions.ofLayer(layerId)[0]?.bootFiles;
    for (const version of versions) {
      const { sent, bootFiles } = version;
      if (sent && bootFiles !== undefined) {
        if (!(await this.#hasBootFiles(layerId, bootFiles))) return false;
      } else if (names === undefined) return false;
    }
    if (names !== undefined) this.#names.set(layerId, names);
    return true;
  }

  async #hasBootFiles(layerId: string, wanted: BundleBootFiles): Promise<boolean> {
    for (const [name, sha256] of [
      [KERNEL_FILE, wanted.kernel],
      [INITRD_FILE, wanted.initrd],
    ] as const) {
      if (sha256 === undefined) continue;
      const path = this.#parts.layers.bootFile(layerId, name)?.path;
      if (path === undefined || (await sha256Of(path)) !== sha256) return false;
    }
    return true;
  }
}

function namesOf(files: BundleBootFiles): BootFileNames {
  const { kernel, initrd, rootPartition, rootFilesystem, initramfs, given } = files;
  return {
    kernel: kernel === undefined ? undefined : KERNEL_FILE,
    initrd: initrd === undefined ? undefined : INITRD_FILE,
    ...{ rootPartition, rootFilesystem, initramfs, given },
  };
}

function isWhole(chain: readonly LayerRecord[]): boolean {
  return chain.every(({ damagedChunks }) => damagedChunks === 0);
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest('hex');
}
