import type { ReadableBlockDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { GatheredVolume, type SourceMap } from '../gathered-volume.ts';
import { PresentChunks } from '../present-chunks.ts';
import type { ChainIndex } from './chain-index.ts';

/** Which layer holds which bytes: the base is 1, the lowest difference 2; 0: they read as zeroes. */
export function sourcesOf(index: ChainIndex): SourceMap {
  return index.isBaseAlone ? new PresentChunks(index.present) : index;
}

/**
 * The volumes of a chain read as one disk, without a cache. Closes them.
 * @param volumes of the layers of the index: the base, then the differences, lowest first
 * @throws BlockError EINVAL when there are not as many as layers
 */
export function gatherChain(
  index: ChainIndex,
  volumes: readonly ReadableBlockDevice[],
): GatheredVolume {
  const [base, ...differences] = volumes.map((volume, at) => ({
    volume,
    size: index.layerSizes[at] ?? 0,
  }));
  if (base === undefined || volumes.length !== index.layerSizes.length) {
    const detail = `${volumes.length} volumes for a chain of ${index.layerSizes.length} layers`;
    throw new BlockError('EINVAL', 'open', 0, index.size, detail);
  }
  return new GatheredVolume(index.size, [base, ...differences], sourcesOf(index));
}
