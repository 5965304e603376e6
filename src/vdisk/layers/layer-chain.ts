/**
 * A chain of layers as the control side knows it, and the disk that it is: maps from the layers' folders,
 * data from their volumes. What the workers serve is opened by chain/open-chain.ts with the same index.
 */
import { setImmediate } from 'node:timers/promises';
import type { ReadableBlockDevice } from '../../block/index.ts';
import { Fault } from '../../errors/index.ts';
import type { VolumeData, VolumeLocator } from '../../repositories/index.ts';
import {
  buildChainIndexInTurns,
  type ChainBase,
  type ChainDescription,
  type ChainDifference,
  ChainIndex,
  gatherChain,
  MAXIMUM_CHAIN_LAYERS,
  sourcesOf,
} from '../chain/index.ts';
import type { SourceMap } from '../gathered-volume.ts';
import { readManifestHeader, readPresentChunks } from '../manifest/index.ts';
import { layerFiles } from './layer-files.ts';
import { readLayerMap } from './layer-map.ts';

/** One layer of a chain. */
export interface LayerSource {
  readonly layerId: string;
  readonly kind: 'base' | 'difference';
  /** Bytes of the disk as of this layer. */
  readonly size: number;
  /** Has the disk's own offsets; at least as large as the layer. */
  readonly volume: VolumeLocator;
}

/** A base, then the differences above it, lowest first. */
export type LayerChain = readonly [LayerSource, ...LayerSource[]];

/** What the layers of a chain say about the disk. */
export interface ChainMaps {
  readonly base: ChainBase;
  readonly differences: readonly ChainDifference[];
}

export interface LayeredDisk {
  /** Bytes. */
  readonly size: number;
  /** Reads past every cache; closed by `close`. */
  readonly device: ReadableBlockDevice;
  /** One bit for each 64 KiB, lowest bit first; clear = no layer has data there. */
  readonly presentChunks: Uint8Array;
  /** Which layer holds which bytes: the base is 1, the lowest difference 2; 0: none does. */
  readonly sources: SourceMap;
  /** The layer that holds the byte; undefined: none does, it reads as zero. */
  layerAt(offset: number): string | undefined;
  close(): Promise<void>;
}

/** The layer that sees the whole disk. */
export function topOf(chain: LayerChain): LayerSource {
  return chain.at(-1) ?? chain[0];
}

/**
 * The index to hand to the workers that open the chain.
 * @param options.size of the disk in bytes, where it has grown since the top layer
 * @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED (a layer's files), INVALID_INPUT,
 *   LIMIT_EXCEEDED (too many layers); BlockError EINVAL for sizes that do not fit each other
 */
export async function buildIndexOfChain(
  chain: LayerChain,
  layersFolder: string,
  options: { readonly size?: number; readonly cacheBlockBytes?: number } = {},
): Promise<SharedArrayBuffer> {
  const maps = await readChainMaps(chain, layersFolder);
  return buildChainIndexInTurns({ size: topOf(chain).size, ...options, ...maps });
}

/**
 * The disk that a chain is. Whoever opens it closes it.
 * @throws Fault as buildIndexOfChain; BlockError when a volume cannot be opened
 */
export async function openLayerChain(
  chain: LayerChain,
  parts: { readonly layersFolder: string; readonly volumeData: VolumeData },
): Promise<LayeredDisk> {
  const maps = await readChainMaps(chain, parts.layersFolder);
  return openLayeredDisk({ size: topOf(chain).size, ...maps }, chain, parts.volumeData);
}

/**
 * Reads the maps of all layers, one after the other: what others have to do comes between two of them.
 * @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED, INVALID_INPUT, LIMIT_EXCEEDED
 */
export async function readChainMaps(chain: LayerChain, layersFolder: string): Promise<ChainMaps> {
  checkLength(chain.length);
  const [base, ...above] = chain;
  checkKind(base, 'base');
  const { manifest } = layerFiles(layersFolder, base.layerId);
  checkSize(base, (await readManifestHeader(manifest)).size);
  const presentChunks = await readPresentChunks(manifest);
  const differences: ChainDifference[] = [];
  for (const layer of above) {
    checkKind(layer, 'difference');
    await setImmediate();
    const map = await readLayerMap(layerFiles(layersFolder, layer.layerId).map);
    checkSize(layer, map.size);
    differences.push(map);
  }
  return { base: { size: base.size, presentChunks }, differences };
}

/** @param layers of the description, with their names and volumes */
export async function openLayeredDisk(
  description: ChainDescription,
  layers: readonly Pick<LayerSource, 'layerId' | 'volume'>[],
  volumeData: VolumeData,
): Promise<LayeredDisk> {
  checkLength(layers.length);
  const index = new ChainIndex(await buildChainIndexInTurns(description));
  const volumes: ReadableBlockDevice[] = [];
  try {
    for (const { volume } of layers) volumes.push(await volumeData.open(volume, { write: false }));
    const device = gatherChain(index, volumes);
    const sources = sourcesOf(index);
    return {
      size: index.size,
      device,
      presentChunks: index.present,
      sources,
      layerAt: (offset) => layers[sources.sourceAt(offset) - 1]?.layerId,
      close: () => device.close(),
    };
  } catch (error) {
    await Promise.allSettled(volumes.map((volume) => volume.close()));
    throw error;
  }
}

function checkLength(layers: number): void {
  if (layers <= MAXIMUM_CHAIN_LAYERS) return;
  throw new Fault('LIMIT_EXCEEDED', `a chain of ${layers} layers: merge some of them first`, {
    field: 'layers',
    value: layers,
    expected: `at most ${MAXIMUM_CHAIN_LAYERS} (MAXIMUM_CHAIN_LAYERS)`,
  });
}

function checkKind({ layerId, kind }: LayerSource, expected: LayerSource['kind']): void {
  if (kind === expected) return;
  const message = `layer ${layerId} is a ${kind} in the place of a ${expected}`;
  const rule = 'a base, then the differences above it';
  throw new Fault('INVALID_INPUT', message, { field: 'kind', value: kind, expected: rule });
}

function checkSize({ layerId, size }: LayerSource, found: number): void {
  if (size === found) return;
  const message = `layer ${layerId}: its files are of a disk of ${found} bytes, not ${size}`;
  throw new Fault('IMAGE_INVALID', message, { field: 'size', value: found, expected: `${size}` });
}
