import type { LayerRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import type { StoredLayer } from '../ports.ts';
import { placeOf } from '../replicas/copies-of-layer.ts';

/** Inside a change: the catalog knows the layer from now on. */
export function insertLayer(
  control: Control,
  layer: Pick<
    StoredLayer,
    'layerId' | 'volumeId' | 'contentId' | 'size' | 'dataBytes' | 'ownBytes'
  >,
  parentId: string | undefined,
): LayerRecord {
  const { layerId, volumeId, contentId, size, dataBytes, ownBytes } = layer;
  const record: LayerRecord = {
    id: layerId,
    parentId,
    ...{ volumeId, contentId, size, dataBytes, ownBytes },
    verifiedAt: undefined,
    damagedChunks: 0,
    createdAt: control.clock.now(),
  };
  control.catalog.layers.insert(record);
  // One that an array has made is a leftover until something names it.
  control.catalog.arrayLeftovers.remove(placeOf(volumeId).id);
  return record;
}
