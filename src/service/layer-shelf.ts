/**
 * Sealed layers as the service needs them: the chain below each, with volumes and maps. A layer never
 * changes, so what was read once is kept while there is room; an index lies in shared memory and is handed
 * to every worker.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { Catalog, LayerRecord } from '../control/index.ts';
import { Fault } from '../errors/index.ts';
import type { ChainPlan } from '../exports/index.ts';
import type { VolumeControl } from '../repositories/index.ts';
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
  readonly #plans = new LRUCache<string, ChainPlan>({
    maxSize: CHAIN_INDEX_BYTES,
    sizeCalculation: ({ index }) => index.byteLength,
  });
  /** Those being made: who asks meanwhile gets the same. */
  readonly #making = new Map<string, Promise<ChainPlan>>();
  /** How often each is read as the top of a chain, by exports of it and by tasks. */
  readonly #uses = new Map<string, number>();

  constructor(catalog: Catalog, volumes: VolumeControl, folder: string) {
    this.#catalog = catalog;
    this.#volumes = volumes;
    this.#folder = folder;
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

  /** The layer and all that it stands on, the base first. @throws Fault NOT_FOUND */
  async chain(layerId: string): Promise<LayerChain> {
    const sources: LayerSource[] = [];
    for (const record of this.#catalog.layers.chain(layerId)) {
      const { locator } = await this.#volumes.showVolume(record.volumeId);
      const kind = record.parentId === undefined ? 'base' : 'difference';
      sources.push({ layerId: record.id, kind, size: record.size, volume: locator });
    }
    const [base, ...differences] = sources;
    if (base === undefined) throw noLayer(layerId);
    return [base, ...differences];
  }

  /**
   * What a worker needs to read it.
   * @throws Fault NOT_FOUND when a layer or its files are gone, IMAGE_INVALID when they are damaged
   */
  async plan(layerId: string): Promise<ChainPlan> {
    const known = this.#plans.get(layerId) ?? this.#making.get(layerId);
    if (known !== undefined) return known;
    const making = this.#make(layerId);
    this.#making.set(layerId, making);
    try {
      const plan = await making;
      this.#plans.set(layerId, plan);
      return plan;
    } finally {
      this.#making.delete(layerId);
    }
  }

  async #make(layerId: string): Promise<ChainPlan> {
    const chain = await this.chain(layerId);
    const index = await buildIndexOfChain(chain, this.#folder);
    const layers = chain.map(({ layerId: id, volume }) => ({ layerId: id, volume }));
    return { layerId, size: this.sizeOf(layerId), index, layers };
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

function noLayer(layerId: string): Fault {
  const details = { field: 'layerId', value: layerId };
  return new Fault('NOT_FOUND', `there is no layer ${layerId}`, details);
}
