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
    if (layers.has(top)) continue;
    for (const layer of catalog.layers.chain(top)) layers.set(layer.id, layer);
  }
  return [...layers.values()];
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
