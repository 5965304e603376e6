/** Single chunks of many layers: the chains are opened when they are asked for, and the latest kept open. */

import { BlockError, Fault } from '../../errors/index.ts';
import type { VolumeData } from '../../repositories/index.ts';
import { ExistingLayer } from '../../vdisk/index.ts';
import type { LayerShelf } from '../layer-shelf.ts';
import { CHAINS_OPEN } from './limits.ts';

export interface ChainReaderParts {
  readonly layers: LayerShelf;
  readonly layersFolder: string;
  readonly volumeData: VolumeData;
}

/** A chain that is open, and in use as long as it is. */
interface OpenChain {
  readonly layer: Promise<ExistingLayer>;
  readonly release: () => void;
  reading: number;
  isUnwanted: boolean;
}

/** What says that a layer is gone or damaged: its chunks are lacking, as far as this goes. */
const GONE: ReadonlySet<string> = new Set(['NOT_FOUND', 'IMAGE_INVALID', 'IMAGE_UNSUPPORTED']);

export class ChainReaders {
  readonly #parts: ChainReaderParts;
  /** By layer, the one asked for longest ago first. */
  readonly #open = new Map<string, OpenChain>();

  constructor(parts: ChainReaderParts) {
    this.#parts = parts;
  }

  /**
   * A chunk of the disk as it is seen from the layer, or from what has replaced it. The bytes are not checked.
   * @returns undefined: the layer is gone, or cannot be read
   */
  async read(layerId: string, chunk: number): Promise<Buffer | undefined> {
    const chain = this.#chainOf(layerId);
    chain.reading += 1;
    try {
      return await (await chain.layer).readChunk(chunk);
    } catch (error) {
      if (error instanceof BlockError) return undefined;
      if (error instanceof Fault && GONE.has(error.code)) return undefined;
      throw error;
    } finally {
      chain.reading -= 1;
      await this.#closeIfIdle(chain);
    }
  }

  /** Closes what is open; it can be used again. */
  async close(): Promise<void> {
    for (const [layerId, chain] of this.#open) {
      this.#open.delete(layerId);
      chain.isUnwanted = true;
      await this.#closeIfIdle(chain);
    }
  }

  #chainOf(layerId: string): OpenChain {
    const { layers, layersFolder, volumeData } = this.#parts;
    const current = layers.resolve(layerId);
    const known = this.#open.get(current);
    this.#open.delete(current);
    const chain = known ?? {
      release: layers.use(current),
      layer: layers
        .chain(current)
        .then((found) => new ExistingLayer(found, { layersFolder, volumeData })),
      ...{ reading: 0, isUnwanted: false },
    };
    this.#open.set(current, chain);
    const [oldest] = this.#open.keys();
    if (this.#open.size > CHAINS_OPEN && oldest !== undefined) {
      const old = this.#open.get(oldest);
      this.#open.delete(oldest);
      if (old !== undefined) {
        old.isUnwanted = true;
        void this.#closeIfIdle(old).catch(() => undefined);
      }
    }
    return chain;
  }

  async #closeIfIdle(chain: OpenChain): Promise<void> {
    if (!chain.isUnwanted || chain.reading > 0) return;
    try {
      const layer = await chain.layer.catch(() => undefined);
      await layer?.close();
    } finally {
      chain.release();
    }
  }
}
