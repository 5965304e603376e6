import type { VolumeControl } from '../../repositories/index.ts';
import {
  beginLayer,
  commitLayer,
  discardLayer,
  type HalfLayer,
  type LayerVolume,
} from './layer-files.ts';

/**
 * Makes a layer, or nothing: what the work has left when it fails is removed, also its volume if it has
 * one of its own.
 * @throws Fault ALREADY_EXISTS, and what the work throws
 */
export async function makeLayer<T>(
  layer: {
    readonly layersFolder: string;
    readonly layerId: string;
    readonly volume: LayerVolume;
    readonly volumes: Pick<VolumeControl, 'deleteVolume'>;
  },
  work: (half: HalfLayer) => Promise<T>,
): Promise<T> {
  const half = await beginLayer(layer.layersFolder, layer.layerId, layer.volume);
  try {
    const made = await work(half);
    await commitLayer(half);
    return made;
  } catch (error) {
    // What cannot be removed now is a leftover, removed at the next start.
    await discardLayer(half, layer.volumes).catch(() => undefined);
    throw error;
  }
}
