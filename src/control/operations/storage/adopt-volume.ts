import type { VolumeRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import type { AdoptVolumeInput, VolumeView } from '../../schemas/stored-volume.ts';
import { keepVolume, newVolume, refuseNewVolume } from './create-volume.ts';
import { findRepository } from './find-storage.ts';
import { NOTHING_MORE, type WhenKept } from './volume-tasks.ts';

/** A volume that was on the storage already, with all that is on it. @throws Fault NOT_FOUND, ALREADY_EXISTS, UNREACHABLE, UNSUPPORTED */
export async function adoptVolume(
  control: Control,
  repositoryName: string,
  { nativeId, name, description = '' }: AdoptVolumeInput,
  whenKept: WhenKept<VolumeRecord> = NOTHING_MORE,
): Promise<VolumeView> {
  const repository = findRepository(control.catalog, repositoryName);
  refuseNewVolume(control, repository, name);
  const id = control.newId();
  const request = { repositoryId: repository.id, nativeId, volumeId: id };
  return control.storage.adopt(request, (stored) =>
    keepVolume(control, newVolume(control, { id, repository, name, description }, stored), {
      how: 'adopted',
      whenKept,
    }),
  );
}
