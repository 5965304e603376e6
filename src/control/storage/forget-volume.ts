import { Fault } from '../../errors/index.ts';
import type { VolumeRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import { refuseReplicated } from '../replication/refuse-replicated.ts';
import { toldNames } from '../values/told-names.ts';
import { currentVolume } from './current-volume.ts';
import { repositoryName, volumeSubject } from './names.ts';

/** The volume is gone on its storage. @throws Fault NOT_FOUND; IN_USE: something wants it that has come meanwhile */
export function forgetVolume(control: Control, id: string): void {
  control.change((record) => {
    const { catalog } = control;
    const volume = currentVolume(control, id);
    refuseWanted(control, volume);
    const snapshotsLeft = catalog.snapshots.countOfVolume(id);
    catalog.volumes.delete(id);
    const repository = repositoryName(catalog, volume.repositoryId);
    record({
      kind: 'volume.deleted',
      subject: volumeSubject(repository, volume.name),
      message: `volume ${repository}/${volume.name} deleted${snapshotsLeft === 0 ? '' : `; ${snapshotsLeft} snapshots of it live on`}`,
      data: { volumeId: id, snapshotsLeft },
    });
  });
}

/** @throws Fault IN_USE: a group or a schedule has it, or it is a replica */
export function refuseWanted({ catalog }: Control, volume: VolumeRecord): void {
  const name = repositoryName(catalog, volume.repositoryId);
  const refuse = (who: string, value: unknown, expected: string): never => {
    throw new Fault('IN_USE', `volume ${name}/${volume.name} ${who}`, {
      field: 'volume.name',
      value,
      expected,
    });
  };
  // A replica whose replication was ended by force is of no other use than this.
  refuseReplicated(catalog, { volumeId: volume.id });
  const groups = catalog.volumeGroups.ofVolume(volume.id).map((group) => group.name);
  if (groups.length > 0) {
    const expected = 'no volume group that has it (rootcast volume-group set)';
    refuse(`is in volume group ${toldNames(groups)}`, groups, expected);
  }
  const schedules = catalog.schedules.ofVolume(volume.id).map((schedule) => schedule.name);
  if (schedules.length > 0) {
    const expected = 'no schedule that has it (rootcast snapshot-schedule set)';
    refuse(`is in snapshot schedule ${toldNames(schedules)}`, schedules, expected);
  }
}
