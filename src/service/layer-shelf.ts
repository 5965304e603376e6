/**
 * Sealed layers as the service needs them: the chain below each, with volumes and maps. A layer never
 * changes, so what was read once is kept while there is room; an index lies in shared memory and is handed
 * to every worker. Which copy of a layer is read is decided anew whenever a chain is asked for: the one at home,
 * or a replica while that cannot be reached (control/replicas/copies-of-layer.ts).
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import {
  type Catalog,
  copiesToRead,
  copyToRead,
  homeOf,
  isReachable,
  type LayerCopy,
  type LayerRecord,
  type Reach,
} from '../control/index.ts';
import { Fault } from '../errors/index.ts';
import type { ChainPlan } from '../exports/index.ts';
import type { VolumeControl, VolumeLocator } from '../repositories/index.ts';
import {
  buildIndexOfChain,
  type LayerChain,
  type LayerSource,
  layerFiles,
} from '../vdisk/index.ts';
import { CHAIN_INDEX_BYTES } from './limits.ts';
import type { LayerNames } from './overlay-book.ts';

export class LayerShelf implements LayerNames {
  readonly #catalog: Catalog;
  readonly #volumes: VolumeControl;
  readonly #folder: string;
  readonly #reach: Reach;
  /** Replicas that were told to somebody since the start: `LAYER REPOSITORY`. */
  readonly #lent = new Set<string>();
  readonly #plans = new LRUCache<string, ChainPlan>({
    maxSize: CHAIN_INDEX_BYTES,
    sizeCalculation: ({ index }) => index.byteLength,
  });
  /** Those being made, by layer and copies: who asks meanwhile gets the same. */
  readonly #making = new Map<string, Promise<ChainPlan>>();
  /** Numbers of contents, from 1, as workers know them (block/shared-cache.ts). A number is never given again. */
  readonly #contents = new Map<string, number>();
  /** How often each is read as the top of a chain, by exports of it and by tasks. */
  readonly #uses = new Map<string, number>();

  /** @param isAttached whether a repository is; all are, unless given */
  constructor(
    catalog: Catalog,
    volumes: VolumeControl,
    folder: string,
    isAttached: (repositoryId: string) => boolean = () => true,
  ) {
    this.#catalog = catalog;
    this.#volumes = volumes;
    this.#folder = folder;
    this.#reach = { catalog, isAttached };
  }

  resolve(layerId: string): string {
    return this.#catalog.layers.resolve(layerId);
  }

  sizeOf(layerId: string): number {
    return this.record(layerId).size;
  }

  /** @throws Fault NOT_FOUND */
  record(layerId: string): LayerRecord {
    const record = this.#catalog.layers.byId(layerId);
    if (record !== undefined) return record;
    throw noLayer(layerId);
  }

  /** The layer and all that it stands on, the base first. @throws Fault NOT_FOUND, UNAVAILABLE, UNREACHABLE */
  async chain(layerId: string): Promise<LayerChain> {
    return (await this.#find(layerId, (layer) => this.#toRead(layer))).chain;
  }

  /** The same, the layer itself from where it is at home: a replica says nothing of that. */
  async chainFromHome(layerId: string): Promise<LayerChain> {
    const copies = (layer: LayerRecord): readonly [LayerCopy, ...LayerCopy[]] =>
      layer.id === layerId ? [homeOf(layer)] : this.#toRead(layer);
    return (await this.#find(layerId, copies)).chain;
  }

  async #find(
    layerId: string,
    copies: (layer: LayerRecord) => readonly [LayerCopy, ...LayerCopy[]],
  ): Promise<{ readonly chain: LayerChain; readonly copies: string }> {
    const sources: LayerSource[] = [];
    const found: LayerCopy[] = [];
    for (const record of this.#catalog.layers.chain(layerId)) {
      const { copy, locator } = await this.#locate(record.id, copies(record));
      const kind = record.parentId === undefined ? 'base' : 'difference';
      sources.push({ layerId: record.id, kind, size: record.size, volume: locator });
      found.push(copy);
    }
    const [base, ...differences] = sources;
    if (base === undefined) throw noLayer(layerId);
    return { chain: [base, ...differences], copies: nameOf(found) };
  }

  /** The first that its array has. @throws Fault why it has not the one that should be read */
  async #locate(
    layerId: string,
    copies: readonly [LayerCopy, ...LayerCopy[]],
  ): Promise<{ readonly copy: LayerCopy; readonly locator: VolumeLocator }> {
    const failures: unknown[] = [];
    for (const copy of copies) {
      try {
        // Before it is looked for: from now on it is not deleted while the layer is in use.
        if (copy.isReplica) this.#lent.add(`${layerId} ${copy.repositoryId}`);
        return { copy, locator: (await this.#volumes.showVolume(copy.volumeId)).locator };
      } catch (error) {
        failures.push(error);
      }
    }
    throw failures[0];
  }

  #toRead(layer: LayerRecord): readonly [LayerCopy, ...LayerCopy[]] {
    return copiesToRead(this.#reach, layer);
  }

  /** Whether a replica may be open in a chain: it was told to somebody, and its layer is in use. */
  mayBeRead(layerId: string, repositoryId: string, tops: Iterable<string>): boolean {
    if (!this.#lent.has(`${layerId} ${repositoryId}`)) return false;
    const { layers } = this.#catalog;
    for (const top of tops) if (layers.chain(top).some(({ id }) => id === layerId)) return true;
    return false;
  }

  /**
   * What a worker needs to read it.
   * @throws Fault NOT_FOUND when a layer or its files are gone, IMAGE_INVALID when they are damaged, UNAVAILABLE,
   *   UNREACHABLE when no copy of a layer can be reached
   */
  async plan(layerId: string): Promise<ChainPlan> {
    const wanted = this.#catalog.layers
      .chain(layerId)
      .map((layer) => copyToRead(this.#reach, layer));
    const copies = nameOf(wanted);
    const known = this.#plans.get(layerId);
    // Where one cannot be reached the array is asked, so that whoever wants to read is told why he cannot.
    const isThere = wanted.every(({ repositoryId }) => isReachable(this.#reach, repositoryId));
    if (known?.copies === copies && isThere) return known;
    const key = `${layerId} ${copies}`;
    const making = this.#making.get(key) ?? this.#make(layerId, known?.index);
    this.#making.set(key, making);
    try {
      const plan = await making;
      this.#plans.set(layerId, plan);
      return plan;
    } finally {
      this.#making.delete(key);
    }
  }

  /** @param known the index, which is the same whichever copies are read */
  async #make(layerId: string, known: SharedArrayBuffer | undefined): Promise<ChainPlan> {
    const { chain, copies } = await this.#find(layerId, (layer) => this.#toRead(layer));
    const index = known ?? (await buildIndexOfChain(chain, this.#folder));
    const layers = chain.map(({ layerId: id, volume }) => ({ layerId: id, volume }));
    const { size, contentId } = this.record(layerId);
    return { layerId, size, index, copies, layers, content: this.#contentNumber(contentId) };
  }

  #contentNumber(contentId: string): number {
    const number = this.#contents.get(contentId) ?? this.#contents.size + 1;
    this.#contents.set(contentId, number);
    return number;
  }

  forget(layerId: string): void {
    this.#plans.delete(layerId);
  }

  /** Counts as read until what is returned is called. */
  use(layerId: string): () => void {
    this.#uses.set(layerId, (this.#uses.get(layerId) ?? 0) + 1);
    let used = true;
    return () => {
      if (!used) return;
      used = false;
      const left = (this.#uses.get(layerId) ?? 1) - 1;
      if (left === 0) this.#uses.delete(layerId);
      else this.#uses.set(layerId, left);
    };
  }

  /** Tops of chains that are read, beside those below open overlays. */
  inUse(): Iterable<string> {
    return this.#uses.keys();
  }

  /**
   * The layer's kernel or initrd; undefined when it has none. Asked for by the name that the layer had when
   * the machine was told to boot: it may have been merged since.
   */
  bootFile(layerId: string, name: string): { path: string; size: number } | undefined {
    const path = join(layerFiles(this.#folder, this.resolve(layerId)).boot, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat?.isFile() === true ? { path, size: stat.size } : undefined;
  }
}

/** Names a choice of copies; '': all of them at home. */
function nameOf(copies: readonly LayerCopy[]): string {
  if (copies.every(({ isReplica }) => !isReplica)) return '';
  return copies.map(({ volumeId }) => volumeId).join(' ');
}

function noLayer(layerId: string): Fault {
  const details = { field: 'layerId', value: layerId };
  return new Fault('NOT_FOUND', `there is no layer ${layerId}`, details);
}
