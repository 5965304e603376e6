/** The book of overlays, and the threads that open many of them at once. */
import { randomUUID } from 'node:crypto';
import { type Catalog, layerVolumes, overlayOwners } from '../control/index.ts';
import { OverlayBook } from './overlay-book.ts';
import { OverlayPlaces } from './overlay-places.ts';
import type { OverlayStorageParts } from './overlay-storage.ts';
import { RecoveryThreads } from './recovery/index.ts';
import type { LayerRepositories } from './storage/index.ts';

export interface OpenOverlaysParts
  extends Pick<OverlayStorageParts, 'bootId' | 'workers' | 'layers' | 'unrestored'> {
  readonly catalog: Catalog;
  readonly repository: LayerRepositories;
  readonly troubled: (subject: string, what: string, error: unknown) => void;
}

/** Reads what is on disk and deletes what nobody needs any more. Nothing is opened yet. */
export async function openOverlays(
  logLevel: string,
  { catalog, ...parts }: OpenOverlaysParts,
): Promise<{ readonly overlays: OverlayBook; readonly recovery: RecoveryThreads }> {
  const recovery = new RecoveryThreads(logLevel, (error) =>
    parts.troubled('service', 'opening write caches', error),
  );
  const { repository } = parts;
  const overlays = await OverlayBook.open({
    ...parts,
    recover: recovery.recover,
    elsewhere: new OverlayPlaces({ catalog, repository, newId: randomUUID }),
    owners: overlayOwners(catalog),
    sealed: layerVolumes(catalog),
  });
  return { overlays, recovery };
}
