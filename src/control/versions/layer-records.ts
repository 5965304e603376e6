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
  const { repositoryId, id } = placeOf(volumeId);
  // An overlay that was sealed is none any more: its map goes, and its data is the layer's.
  if (repositoryId !== undefined) control.catalog.overlayPlaces.deleteByData(repositoryId, id);
  // What an array has made is a leftover until something names it.
  control.catalog.arrayLeftovers.remove(id);
  return record;
}
