import type { Control } from '../../control.ts';
import { DEFAULT_ITEMS_PER_PAGE, MAX_ITEMS_PER_PAGE } from '../../limits.ts';
import type {
  ForeignVolumeView,
  PageInput,
  VolumeLiveView,
  VolumeView,
} from '../../schemas/stored-volume.ts';
import { requireAttached, volumeNameOf } from '../../storage/names.ts';
import { findRepository, findVolume } from './find-storage.ts';
import { volumeView } from './volume-view.ts';

export interface Paged<T> {
  readonly items: T[];
  readonly next: string | null;
}

export function pageSize(limit: number | undefined): number {
  return Math.min(limit ?? DEFAULT_ITEMS_PER_PAGE, MAX_ITEMS_PER_PAGE);
}

/** By name. @throws Fault NOT_FOUND */
export function listVolumes(
  control: Control,
  repositoryName: string,
  { limit, after = '' }: PageInput = {},
): Paged<VolumeView> {
  const { id } = findRepository(control.catalog, repositoryName);
  const size = pageSize(limit);
  const found = control.catalog.volumes.page(id, after, size + 1);
  const shown = found.slice(0, size);
  return {
    items: shown.map((volume) => volumeView(control, volume)),
    next: found.length > size ? (shown.at(-1)?.name ?? null) : null,
  };
}

/** With what the storage says now, as far as it says anything. @throws Fault NOT_FOUND */
export async function showVolume(
  control: Control,
  repositoryName: string,
  name: string,
): Promise<VolumeLiveView> {
  const { repository, volume } = findVolume(control.catalog, repositoryName, name);
  const live = control.storage.isAttached(repository.id)
    ? // What the catalog knows is worth showing, too, while the storage is away.
      await control.storage.volumeLive(volumeNameOf(volume)).catch(() => undefined)
    : undefined;
  return {
    ...volumeView(control, volume),
    connections: live?.connections ?? null,
    allocated: live?.allocated ?? null,
  };
}

/** Volumes of the storage that are not ours. @throws Fault NOT_FOUND, UNREACHABLE, UNSUPPORTED */
export async function listForeignVolumes(
  control: Control,
  repositoryName: string,
): Promise<readonly ForeignVolumeView[]> {
  const repository = findRepository(control.catalog, repositoryName);
  requireAttached(control, repository);
  const found = await control.storage.listForeign(repository.id);
  return found.map(({ nativeId, name, size, wwid }) => ({
    nativeId,
    name,
    size,
    wwid: wwid ?? null,
  }));
}
