/** Which objects of an array somebody here knows: the catalog, its layers and those of vDisks. */
import { type Catalog, layerVolumes, placeOf } from '../../control/index.ts';
import { tagOfLeftover } from '../../volumes/index.ts';
import { readHandle } from './handles.ts';
import { VOLUMES_READ_AT_ONCE } from './limits.ts';

/** Tags. What has another one was left behind: by a catalog that was lost or has forgotten the repository. */
export function knownTags(catalog: Catalog, repositoryId: string): ReadonlySet<string> {
  const tags = new Set(catalog.arrayLeftovers.ofRepository(repositoryId).map(tagOfLeftover));
  for (const { data, map } of catalog.volumeNodes.ofRepository(repositoryId)) {
    tags.add(data.tag);
    if (map !== undefined) tags.add(map.tag);
  }
  for (const volumeId of layerVolumes(catalog)) {
    const place = placeOf(volumeId);
    if (place.repositoryId === repositoryId) tags.add(place.id);
  }
  for (const { dataTag, mapTag } of catalog.overlayPlaces.ofRepository(repositoryId)) {
    tags.add(dataTag);
    tags.add(mapTag);
  }
  for (const replica of catalog.replicas.all()) {
    if (replica.repositoryId === repositoryId) tags.add(replica.volumeId);
  }
  for (let after = ''; ; ) {
    const page = catalog.volumes.page(repositoryId, after, VOLUMES_READ_AT_ONCE);
    for (const { handle } of page) {
      const read = readHandle(handle);
      if (read.kind === 'array') tags.add(read.object.tag);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < VOLUMES_READ_AT_ONCE) return tags;
    after = last.name;
  }
}
