/**
 * Sealed layers as the data workers need them: volume, size and chunk map. A layer never changes, so
 * what was read once is kept; the chunk map lies in shared memory and is handed to every worker.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../errors/index.ts';
import type { LayerPlan } from '../exports/index.ts';
import type { VolumeControl } from '../repositories/index.ts';
import { layerFiles, readPresentChunks } from '../vdisk/index.ts';

export class LayerShelf {
  readonly #volumes: VolumeControl;
  readonly #folder: string;
  readonly #plans = new Map<string, LayerPlan>();

  constructor(volumes: VolumeControl, folder: string) {
    this.#volumes = volumes;
    this.#folder = folder;
  }

  /** @throws Fault NOT_FOUND when the layer's manifest is gone, IMAGE_INVALID when it is damaged */
  async plan(layerId: string, size: number): Promise<LayerPlan> {
    const known = this.#plans.get(layerId);
    if (known !== undefined) return known;
    const manifest = layerFiles(this.#folder, layerId).manifest;
    if (!existsSync(manifest)) {
      throw new Fault('NOT_FOUND', `layer ${layerId} has no manifest at ${manifest}`, {
        field: 'layerId',
        value: layerId,
      });
    }
    const read = await readPresentChunks(manifest);
    const presentChunks = new Uint8Array(new SharedArrayBuffer(read.length));
    presentChunks.set(read);
    const { locator } = await this.#volumes.showVolume(layerId);
    const plan = { layerId, size, volume: locator, presentChunks };
    this.#plans.set(layerId, plan);
    return plan;
  }

  forget(layerId: string): void {
    this.#plans.delete(layerId);
  }

  /** The layer's kernel or initrd; undefined when it has none. */
  bootFile(layerId: string, name: string): { path: string; size: number } | undefined {
    const path = join(layerFiles(this.#folder, layerId).boot, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat?.isFile() === true ? { path, size: stat.size } : undefined;
  }
}
