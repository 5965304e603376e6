/** A second repository for the lifecycle rig: an array in memory, which outlives the service. */
import { type Catalog, layerVolumes, placeOf } from '../../src/control/index.ts';
import type { CapabilitySet } from '../../src/repositories/index.ts';
import { type OpenStorage, openStorage } from '../../src/service/storage/index.ts';
import type { MemoryArray } from './memory-array.ts';
import { NEVER } from './volume-rig.ts';

export const ELSEWHERE = 'elsewhere';

const silent = (): void => undefined;

/** What a service has of it at its start, not attached yet. The catalog knows the repository already, or does now. */
export function storageOf(
  array: MemoryArray,
  parts: { readonly catalog: Catalog; readonly bootId: string; readonly clock: { now(): number } },
): OpenStorage {
  const { catalog } = parts;
  if (catalog.repositories.byId(ELSEWHERE) === undefined) {
    catalog.repositories.insert({
      ...{ id: ELSEWHERE, name: ELSEWHERE, description: '', kind: array.adapter.kind },
      ...{ settings: {}, state: 'attached', reason: undefined, info: undefined },
      ...{ capabilities: undefined as CapabilitySet | undefined, warningPercent: 80 },
      ...{ criticalPercent: 90, spaceLevel: 'normal', createdAt: 1 },
    });
  }
  return openStorage({
    ...{ ...parts, adapters: [array.adapter], workers: 1, initiatorName: 'iqn.test:rig' },
    log: { info: silent, warn: silent, error: silent },
    barrier: { hold: async () => undefined, resume: async () => true },
    toWorkers: { connect: silent, disconnect: async () => true },
    connections: () => 0,
    endExport: silent,
  });
}

export async function attachElsewhere({ storage }: OpenStorage, array: MemoryArray): Promise<void> {
  const given = { settings: {}, secrets: {}, create: false, takeOver: false };
  await storage.attach({ repositoryId: ELSEWHERE, kind: array.adapter.kind, ...given }, NEVER);
}

/** What has to be on it, as `MemoryArray.names` tells it: volumes of overlays and of layers that the catalog has. */
export function knownElsewhere(catalog: Catalog): readonly string[] {
  const places = catalog.overlayPlaces.ofRepository(ELSEWHERE);
  return [
    ...places.flatMap(({ dataTag, mapTag }) => [dataTag, mapTag]),
    ...layersElsewhere(catalog),
  ]
    .map((tag) => `volume ${tag}`)
    .sort();
}

/** Tags of the layers' volumes. */
export function layersElsewhere(catalog: Catalog): readonly string[] {
  return [...layerVolumes(catalog)]
    .map(placeOf)
    .filter(({ repositoryId }) => repositoryId === ELSEWHERE)
    .map(({ id }) => id);
}
