/** Where the chunks of layers are, by hash. */
import { randomUUID } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyedMutex } from '../../base/index.ts';
import { Fault } from '../../errors/index.ts';
import { ChunkInventory, layerFiles } from '../../vdisk/index.ts';
import type { LayerShelf } from '../layer-shelf.ts';

export interface ChunkIndexParts {
  readonly layers: LayerShelf;
  readonly layersFolder: string;
  /** For files that are gone at the end. */
  readonly temporaryFolder: string;
}

const ASK = 'ask';

export class ChunkIndex {
  readonly #inventory: ChunkInventory;
  /** It is asked by one at a time. */
  readonly #turns = new KeyedMutex();

  private constructor(inventory: ChunkInventory) {
    this.#inventory = inventory;
  }

  /**
   * Goes through manifests. Layers that are gone or damaged are passed over.
   * @param layerIds the most wanted first
   * @param bytesMax of manifests that are read
   */
  static async make(
    { layers, layersFolder, temporaryFolder }: ChunkIndexParts,
    layerIds: Iterable<string>,
    bytesMax: number,
    signal?: AbortSignal,
  ): Promise<ChunkIndex> {
    const path = join(temporaryFolder, `chunks-${randomUUID()}`);
    const inventory = await ChunkInventory.create(path);
    try {
      // It is open, and needs no name: it may be kept for a while, and is gone with the process.
      await rm(path);
      let left = bytesMax;
      for (const id of layerIds) {
        const layerId = layers.resolve(id);
        const done = layers.use(layerId);
        try {
          const { manifest } = layerFiles(layersFolder, layerId);
          left -= (await stat(manifest)).size;
          if (left < 0) break;
          await inventory.add(layerId, manifest, signal);
        } catch (error) {
          if (!isPassedOver(error)) throw error;
        } finally {
          done();
        }
      }
      return new ChunkIndex(inventory);
    } catch (error) {
      await inventory.close();
      throw error;
    }
  }

  has(hash: Buffer): Promise<boolean> {
    return this.#turns.run(ASK, async () => this.#inventory.has(hash));
  }

  find(hash: Buffer): Promise<{ readonly layer: string; readonly chunk: number } | undefined> {
    return this.#turns.run(ASK, async () => this.#inventory.find(hash));
  }

  /** Nobody asks any more. */
  close(): Promise<void> {
    return this.#turns.run(ASK, () => this.#inventory.close());
  }
}

function isPassedOver(error: unknown): boolean {
  if (error instanceof Fault) return error.code !== 'CANCELLED' && error.code !== 'NO_SPACE';
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
