/**
 * Overlays in other repositories than the service's own (docs/adr/0018). Those may be away when the service starts, so
 * which overlays they have says the catalog: a record is there as long as the overlay is whole. Before and after that
 * its volumes are leftovers of their repository, which go when it is attached (volumes/array-volumes.ts).
 */
import { type Catalog, placeOf, volumeIdIn } from '../control/index.ts';
import { Fault } from '../errors/index.ts';
import type { OverlayName, StoredOverlay } from './overlay-volumes.ts';
import type { LayerRepositories } from './storage/index.ts';

/** One that lies in a repository. */
export type PlacedOverlay = StoredOverlay & { readonly repositoryId: string };

export interface OverlayPlacesParts {
  readonly catalog: Pick<Catalog, 'overlayPlaces' | 'repositories' | 'transaction'>;
  readonly repository: Pick<LayerRepositories, 'attachment' | 'kept'>;
  readonly newId: () => string;
}

export class OverlayPlaces {
  readonly #parts: OverlayPlacesParts;

  constructor(parts: OverlayPlacesParts) {
    this.#parts = parts;
  }

  /** All that are whole, whether or not their repositories are there. */
  stored(): readonly PlacedOverlay[] {
    return this.#parts.catalog.overlayPlaces
      .all()
      .map(({ dataTag, mapTag, ...place }) => placed(place, dataTag, mapTag));
  }

  /** Names for a new one's volumes that were never used before: what an earlier attempt left is not taken for it. */
  fresh(name: OverlayName, repositoryId: string): PlacedOverlay {
    const { newId } = this.#parts;
    return placed({ ...name, repositoryId }, newId(), newId());
  }

  /** It is whole: from now on it is there, also after a crash. @throws Fault as the catalog does; then it is not */
  keep(overlay: PlacedOverlay): void {
    const { catalog, repository } = this.#parts;
    const { ownerId, number, layerId, repositoryId, dataVolume, mapVolume } = overlay;
    const tags = { dataTag: placeOf(dataVolume).id, mapTag: placeOf(mapVolume).id };
    catalog.transaction(() => {
      catalog.overlayPlaces.insert({ ownerId, number, layerId, repositoryId, ...tags });
      repository.kept(dataVolume);
      repository.kept(mapVolume);
    });
  }

  /** It is nobody's any more: its volumes are leftovers from now on. */
  forget(overlay: PlacedOverlay): void {
    this.#parts.catalog.overlayPlaces.delete(overlay);
  }

  isAttached(repositoryId: string): boolean {
    return this.#parts.repository.attachment(repositoryId) !== undefined;
  }

  /**
   * Names this attachment of the repository: what was read during another one may be outdated.
   * @throws Fault UNAVAILABLE
   */
  attachment(repositoryId: string): object {
    const { catalog, repository } = this.#parts;
    const attachment = repository.attachment(repositoryId);
    if (attachment !== undefined) return attachment;
    const name = catalog.repositories.byId(repositoryId)?.name ?? repositoryId;
    const message = `write caches are in repository ${name}, which is away`;
    throw new Fault('UNAVAILABLE', message, {
      field: 'repository.state',
      value: name,
      expected: 'a repository that is attached',
    });
  }
}

function placed(
  place: OverlayName & { readonly repositoryId: string },
  dataTag: string,
  mapTag: string,
): PlacedOverlay {
  const named = (tag: string): string => volumeIdIn(place.repositoryId, tag);
  return { ...place, dataVolume: named(dataTag), mapVolume: named(mapTag) };
}
