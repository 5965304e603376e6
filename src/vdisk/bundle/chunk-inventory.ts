import { chain, type MaybePromise } from '../../base/index.ts';
import { chunkHashBatches } from '../manifest/index.ts';
import { cancelled } from './bundle-fault.ts';
import { HashIndex } from './hash-index.ts';
import { INVENTORY_CHUNKS_MAX } from './limits.ts';

const LAYER_UNIT = 2 ** 32;

/** Where a chunk can be read. */
export interface ChunkPlace {
  /** As given to `add`. */
  readonly layer: string;
  readonly chunk: number;
}

/**
 * What a server has: every chunk of its layers, by hash, and one place where it is. The answers say what the
 * manifests say: the bytes must be checked when they are read.
 *
 * 8 to 20 bytes of memory for each distinct chunk, 11 to 17 MB for 100 GiB; the hashes are in a file.
 */
export class ChunkInventory {
  readonly #index: HashIndex;
  readonly #layers: string[] = [];

  private constructor(index: HashIndex) {
    this.#index = index;
  }

  /** @param path of a file for the hashes, which must not exist; removed by `close` */
  static async create(path: string, most: number = INVENTORY_CHUNKS_MAX): Promise<ChunkInventory> {
    return new ChunkInventory(await HashIndex.create(path, most));
  }

  /** Distinct chunks. */
  get chunks(): number {
    return this.#index.count;
  }

  /** Bytes held in memory. */
  get memoryBytes(): number {
    return this.#index.memoryBytes;
  }

  /**
   * Adds the chunks of a layer. Of a chunk that several layers have, the first place is remembered.
   * @param layer a name, for `find`
   * @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED (the manifest), CANCELLED
   */
  async add(layer: string, manifestPath: string, signal?: AbortSignal): Promise<void> {
    const number = this.#layers.push(layer) - 1;
    for await (const batch of chunkHashBatches(manifestPath)) {
      if (signal?.aborted === true) throw cancelled('the inventory');
      for (const { chunk, hash } of batch) {
        // What does not fit is unknown, and so sent once more.
        if (this.#index.isFull) return;
        const found = this.#index.find(hash);
        if ((found instanceof Promise ? await found : found) !== undefined) continue;
        const wait = this.#index.add(hash, number * LAYER_UNIT + chunk);
        if (wait !== undefined) await wait;
      }
    }
  }

  has(hash: Buffer): MaybePromise<boolean> {
    return chain(this.#index.find(hash), (value) => value !== undefined);
  }

  find(hash: Buffer): MaybePromise<ChunkPlace | undefined> {
    return chain(this.#index.find(hash), (value) => {
      if (value === undefined) return undefined;
      const layer = this.#layers[Math.floor(value / LAYER_UNIT)];
      return layer === undefined ? undefined : { layer, chunk: value % LAYER_UNIT };
    });
  }

  async close(): Promise<void> {
    await this.#index.close();
  }
}
