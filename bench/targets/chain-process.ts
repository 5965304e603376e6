/**
 * Serves a chain of sealed layers over an image, flattened by src/vdisk as the service will: for the
 * comparison of a version that stands alone with one that stands on many.
 *
 *   node bench/targets/chain-process.ts '{"image":"disk.raw","depth":30,"folder":"…"}'
 *
 * One export, `chain`. Depth 1 is the image alone.
 */
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { LocalVolumeData } from '../../src/adapters/local/index.ts';
import { CheckedDevice, ReadCache, ReadOnlyDevice } from '../../src/block/index.ts';
import { singleExport } from '../../src/nbd/index.ts';
import type { VolumeLocator } from '../../src/repositories/index.ts';
import {
  buildChainIndex,
  type ChainDifference,
  type ChainLayer,
  openChain,
} from '../../src/vdisk/index.ts';
import { type LayerExtent, layerExtents, ownedBits } from './chain-layers.ts';
import { READ_CACHE_BYTES, serveExports } from './serve-exports.ts';

export interface ChainConfig {
  /** A raw image: the lowest layer's bytes. */
  readonly image: string;
  /** Layers, the lowest among them. */
  readonly depth: number;
  /** Holds the upper layers' data; made if it is not there. */
  readonly folder: string;
}

const CHUNK_BYTES = 65_536;

const bitsFor = (bytes: number, unit: number): number => Math.ceil(bytes / unit / 8);

const locatorOf = (path: string): VolumeLocator => ({
  adapter: 'local',
  volume: path,
  address: { path },
});

/** A sparse file with the image's bytes at the extents. */
function writeLayer(
  path: string,
  image: string,
  size: number,
  extents: readonly LayerExtent[],
): void {
  const source = openSync(image, 'r');
  const target = openSync(path, 'wx');
  try {
    ftruncateSync(target, size);
    for (const { offset, length } of extents) {
      const bytes = Buffer.allocUnsafe(length);
      if (readSync(source, bytes, 0, length, offset) !== length) throw new Error(`${image} ends`);
      writeSync(target, bytes, 0, length, offset);
    }
  } finally {
    closeSync(source);
    closeSync(target);
  }
}

async function main({ image, depth, folder }: ChainConfig): Promise<void> {
  const { size } = statSync(image);
  const volumes = new LocalVolumeData({
    log: { warn: (_details, message) => console.error(message) },
  });
  const open = async (layerId: string, path: string): Promise<ChainLayer> => ({
    layerId,
    volume: await volumes.open(locatorOf(path), { write: false }),
  });
  mkdirSync(folder, { recursive: true });
  const base = { size, presentChunks: new Uint8Array(bitsFor(size, CHUNK_BYTES)).fill(0xff) };
  const differences: ChainDifference[] = [];
  const layers: [ChainLayer, ...ChainLayer[]] = [await open('layer-0', image)];
  for (let number = 1; number < depth; number++) {
    const path = join(folder, `layer-${number}`);
    const extents = layerExtents(size, depth, number);
    writeLayer(path, image, size, extents);
    const zeroed = new Uint8Array(bitsFor(size, CHUNK_BYTES));
    differences.push({ size, owned: ownedBits(size, extents), zeroed });
    layers.push(await open(`layer-${number}`, path));
  }
  const index = buildChainIndex({ size, base, differences });
  const cache = new ReadCache({ capacityBytes: READ_CACHE_BYTES });
  const chain = openChain({ index, layers, cache });
  await serveExports(singleExport('chain', new CheckedDevice(new ReadOnlyDevice(chain))));
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? '{}') as ChainConfig);
