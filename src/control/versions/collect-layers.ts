/**
 * A layer stays as long as something stands on it: a version, a layer above it, an overlay, an open
 * export, a task. What nothing stands on goes. Layers are counted from what is there and not by counters,
 * so there is nothing to be wrong after a crash.
 */
import type { LayerRecord, Removal } from '../catalog/records.ts';
import type { Control } from '../control.ts';
import { removeAllFromDisk } from '../removals.ts';
import { deleteVolumes } from '../replicas/remove-copies.ts';

/** @returns the layers that went */
export async function collectLayers(control: Control): Promise<readonly string[]> {
  const { catalog } = control;
  const { removals, copies } = catalog.transaction(() => {
    const layers = catalog.layers.all();
    const needed = neededLayers(control, layers);
    const unneeded = layers.filter(({ id }) => !needed.has(id));
    // Their copies go with them.
    const copies = unneeded.flatMap(({ id }) => catalog.replicas.ofLayer(id));
    // A layer goes before what it stands on.
    const removals = topFirst(unneeded).map(({ id, volumeId }): Removal => {
      const removal: Removal = { kind: 'layer', id, volumeId };
      catalog.layers.delete(id);
      catalog.removals.insert(removal);
      return removal;
    });
    return { removals, copies };
  });
  await removeAllFromDisk(control, removals);
  await deleteVolumes(control, copies);
  return removals.map(({ id }) => id);
}

function neededLayers(
  { catalog, dataPlane }: Control,
  layers: readonly LayerRecord[],
): Set<string> {
  const parents = new Map(layers.map(({ id, parentId }) => [id, parentId]));
  const needed = new Set<string>();
  const need = (layerId: string): void => {
    for (let id: string | undefined = layerId; id !== undefined && !needed.has(id); ) {
      needed.add(id);
      id = parents.get(id);
    }
  };
  for (const versions of catalog.versions.allByVdisk().values()) {
    for (const version of versions) {
      need(version.state === 'maintenance' ? version.baseLayerId : version.layerId);
    }
  }
  const { open, stoodOn } = dataPlane.layersInUse();
  for (const layerId of open) need(layerId);
  // An overlay at rest stands on what has replaced its layer, when it is opened next.
  for (const layerId of stoodOn) need(catalog.layers.resolve(layerId));
  return needed;
}

function topFirst(layers: readonly LayerRecord[]): readonly LayerRecord[] {
  const left = new Map(layers.map((layer) => [layer.id, layer]));
  const ordered: LayerRecord[] = [];
  while (left.size > 0) {
    const below = new Set([...left.values()].map(({ parentId }) => parentId));
    const tops = [...left.values()].filter(({ id }) => !below.has(id));
    if (tops.length === 0) break; // a circle, which the catalog cannot hold
    for (const top of tops) {
      ordered.push(top);
      left.delete(top.id);
    }
  }
  return ordered;
}
