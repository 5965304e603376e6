/**
 * A chain of sealed layers as one disk: a base and the differences above it, flattened when it is
 * opened. A read costs the same however many layers there are: a bit says whether there is anything to
 * read, one entry says under which layer the cache has it, and only a miss looks which volumes to read.
 */
import { createHash } from 'node:crypto';
import {
  type BlockLayers,
  CachedDevice,
  type ReadableBlockDevice,
  type ReadCache,
} from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { type BelowCache, LayerDevice, openLayer } from '../layer-device.ts';
import { BLOCK_BYTES } from '../overlay/index.ts';
import { PresentChunks } from '../present-chunks.ts';
import { ChainIndex } from './chain-index.ts';
import { gatherChain } from './gather-chain.ts';

export interface ChainLayer {
  /**
   * Names the content: for a difference the bytes of the blocks it has, which they are and what it has
   * zeroed. The same name must always mean the same.
   */
  readonly layerId: string;
  /** Has the disk's own offsets; at least as large as the layer; closed with the chain. */
  readonly volume: ReadableBlockDevice;
}

export interface ChainOptions {
  /** From buildChainIndex. */
  readonly index: SharedArrayBuffer;
  /** The layers of the index: the base, then the differences, lowest first. */
  readonly layers: readonly [ChainLayer, ...ChainLayer[]];
  readonly cache: ReadCache;
  /** Put between the cache and the volumes, and closed in their place. */
  readonly below?: BelowCache | undefined;
}

/**
 * @throws BlockError EINVAL when index, volumes and cache do not fit each other; the volumes then stay
 * open
 */
export function openChain(options: ChainOptions): ReadableBlockDevice {
  const { layers, cache, below = (source) => source } = options;
  const index = new ChainIndex(options.index);
  checkFit(index, options);
  const [{ volume, layerId }] = layers;
  if (index.isBaseAlone && volume.geometry.size === index.size) {
    return openLayer({ volume, presentChunks: index.present, layerId, cache, below });
  }
  const gathered = gatherChain(
    index,
    layers.map((layer) => layer.volume),
  );
  const cached = new CachedDevice(below(gathered), cache, new ChainKeys(index, options));
  return new LayerDevice(cached, new PresentChunks(index.present));
}

/** The cache's numbers for the keys of the index. */
class ChainKeys implements BlockLayers {
  readonly #keys: Uint16Array;
  readonly #numbers: readonly number[];

  constructor(index: ChainIndex, { layers, cache }: ChainOptions) {
    this.#keys = index.keys;
    const numbers: number[] = [];
    // What a difference does not decide alone depends on all that it stands on: named after that too.
    let below = '';
    for (const [at, { layerId }] of layers.entries()) {
      const size = index.layerSizes[at] ?? 0;
      below = createHash('sha256')
        .update(JSON.stringify([below, size, layerId]))
        .digest('hex');
      numbers.push(cache.layer(layerId), cache.layer(`chain ${below}`));
    }
    this.#numbers = numbers;
  }

  layerAt(block: number): number {
    return this.#numbers[this.#keys[block] ?? 0] ?? 0;
  }
}

function checkFit(index: ChainIndex, { layers, cache }: ChainOptions): void {
  const refuse = (detail: string): never => {
    throw new BlockError('EINVAL', 'open', 0, index.size, detail);
  };
  if (layers.length !== index.layerSizes.length) {
    refuse(`${layers.length} layers for the index of a chain of ${index.layerSizes.length}`);
  }
  if (!index.isBaseAlone && cache.blockBytes !== index.cacheBlockBytes) {
    refuse(`index for cache blocks of ${index.cacheBlockBytes} bytes, not ${cache.blockBytes}`);
  }
  for (const [at, { volume, layerId }] of layers.entries()) {
    const size = index.layerSizes[at] ?? 0;
    const { size: room, minimumIo } = volume.geometry;
    if (room < size) refuse(`layer ${layerId} of ${size} bytes in a volume of ${room}`);
    // Blocks are read one by one, and the last one only up to the layer's end.
    if (!index.isBaseAlone && (minimumIo > BLOCK_BYTES || size % minimumIo !== 0)) {
      refuse(`layer ${layerId} of ${size} bytes in a volume in units of ${minimumIo}`);
    }
  }
}
