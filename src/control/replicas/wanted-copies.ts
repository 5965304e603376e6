/** Which copies of layers there should be, and which of them there are. */
import type { Catalog } from '../catalog/catalog.ts';
import { isSealed, type LayerRecord } from '../catalog/records.ts';
import type { VdiskReplicaRecord } from '../catalog/replica-table.ts';
import { copiesOf } from './copies-of-layer.ts';

/** What all versions of a vDisk are made of, what a layer stands on before it. */
export function layersOfVdisk(catalog: Catalog, vdiskId: string): readonly LayerRecord[] {
  const layers = new Map<string, LayerRecord>();
  for (const version of catalog.versions.ofVdisk(vdiskId)) {
    const top = isSealed(version) ? version.layerId : version.baseLayerId;
    for (const layer of newLayers(catalog, layers, top)) layers.set(layer.id, layer);
  }
  return [...layers.values()];
}

/** Down to what is known already: a chain for each version would be read again and again, every two seconds. */
function newLayers(
  catalog: Catalog,
  known: ReadonlyMap<string, LayerRecord>,
  top: string,
): readonly LayerRecord[] {
  const found: LayerRecord[] = [];
  let id: string | undefined = top;
  while (id !== undefined && !known.has(id)) {
    const layer: LayerRecord | undefined = catalog.layers.byId(id);
    if (layer === undefined) break;
    found.push(layer);
    id = layer.parentId;
  }
  return found.reverse();
}

/** Those that have no copy there yet; one that is at home there needs none. */
export function missingLayers(
  catalog: Catalog,
  { vdiskId, repositoryId }: Pick<VdiskReplicaRecord, 'vdiskId' | 'repositoryId'>,
): readonly LayerRecord[] {
  return layersOfVdisk(catalog, vdiskId).filter((layer) =>
    copiesOf(catalog, layer).every((copy) => copy.repositoryId !== repositoryId),
  );
}
