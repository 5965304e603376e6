import { Fault } from '../../errors/index.ts';
import { readChunkHashes, readPresentChunks } from '../manifest/index.ts';
import { bytesOf } from './chunk-windows.ts';
import type { LayerSource } from './layer-chain.ts';
import { layerFiles } from './layer-files.ts';

/** A manifest that is what its content id says. */
export interface WholeManifest {
  readonly path: string;
  readonly contentId: string;
  readonly presentChunks: Uint8Array;
  /** Bytes in present chunks. */
  readonly dataBytes: number;
}

/**
 * Looks a layer's manifest through, before it is the judge of any chunk.
 * @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED
 */
export async function wholeManifest(
  layersFolder: string,
  layer: LayerSource,
): Promise<WholeManifest> {
  const path = layerFiles(layersFolder, layer.layerId).manifest;
  const { contentId, size } = await readChunkHashes(path, () => undefined);
  if (size !== layer.size) {
    const message = `${path}: the manifest of a disk of ${size} bytes, not ${layer.size}`;
    const details = { field: 'size', value: size, expected: `${layer.size}` };
    throw new Fault('IMAGE_INVALID', message, details);
  }
  const presentChunks = await readPresentChunks(path);
  return { path, contentId, presentChunks, dataBytes: bytesOf(presentChunks, size) };
}
