import type { Control } from '../../control.ts';
import type { UpdateVolumeInput, VolumeView } from '../../schemas/stored-volume.ts';
import { volumeSubject } from '../../storage/names.ts';
import { parseName } from '../../values/name.ts';
import { findVolume, refuseTaken } from './find-storage.ts';
import { volumeView } from './volume-view.ts';

/** The storage knows it by its id: another name is a matter of the catalog. @throws Fault NOT_FOUND, ALREADY_EXISTS */
export function updateVolume(
  control: Control,
  repositoryName: string,
  before: string,
  { name = before, description }: UpdateVolumeInput,
): VolumeView {
  const { catalog } = control;
  return control.change((record) => {
    const { repository, volume } = findVolume(catalog, repositoryName, before);
    if (name !== before) {
      parseName(name, 'volume.name');
      refuseTaken(catalog.volumes.byName(repository.id, name), 'volume', name, 'volume.name');
    }
    const after = { ...volume, name, description: description ?? volume.description };
    catalog.volumes.update(after);
    record({
      kind: 'volume.changed',
      subject: volumeSubject(repositoryName, name),
      message:
        name === before
          ? `volume ${repositoryName}/${name}: description changed`
          : `volume ${repositoryName}/${before} is called ${name} now`,
      data: { volumeId: volume.id, before },
    });
    return volumeView(control, after);
  });
}
