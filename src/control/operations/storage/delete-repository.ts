import { Fault } from '../../../errors/index.ts';
import type { RepositoryRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import { repositorySubject } from '../../storage/names.ts';
import { refuseLayers } from '../../storage/refuse-layers.ts';
import { refuseOverlays } from '../../storage/refuse-overlays.ts';
import { inTurn } from '../../storage/turns.ts';
import { toldNames } from '../../values/told-names.ts';
import { findRepository } from './find-storage.ts';

type NamedRepository = Pick<RepositoryRecord, 'id' | 'name'>;

/**
 * An empty one: it is detached and forgotten. The storage keeps the mark that it is ours, and is taken up with
 * mode `existing` again.
 * @throws Fault NOT_FOUND, IN_USE (it has volumes or snapshots)
 */
export async function deleteRepository(control: Control, name: string): Promise<void> {
  const { id } = findRepository(control.catalog, name);
  await inTurn(control, [id], async () => {
    const found = findRepository(control.catalog, name);
    refuseFull(control, found);
    refuseLeftovers(control, found);
    if (control.storage.isAttached(id)) await control.storage.detach(id, { force: false });
    control.change((record) => {
      const repository = findRepository(control.catalog, name);
      refuseFull(control, repository);
      erase(control, repository);
      record({
        kind: 'repository.deleted',
        subject: repositorySubject(name),
        message: `repository ${name} deleted; it was empty`,
      });
    });
  });
}

/**
 * The catalog knows nothing of it any more, nor of its volumes and snapshots; on the storage everything stays.
 * @throws Fault NOT_FOUND, IN_USE (it is attached, or groups and schedules have volumes of it)
 */
export async function forgetRepository(control: Control, name: string): Promise<void> {
  const { id } = findRepository(control.catalog, name);
  await inTurn(control, [id], async () => {
    control.change((record) => {
      const repository = findRepository(control.catalog, name);
      if (repository.state !== 'detached' || control.storage.isAttached(id)) {
        throw new Fault('IN_USE', `repository ${name} is not detached`, {
          field: 'repository.state',
          value: repository.state,
          expected: `rootcast repository detach ${name} first`,
        });
      }
      refuseMembers(control, repository);
      refuseVdisks(control, repository);
      refuseLayers(control, { ...repository, isOpen: false });
      refuseOverlays(control, { ...repository, isOpen: false });
      const volumes = control.catalog.volumes.count(id);
      const snapshots = control.catalog.snapshots.count(id);
      erase(control, repository);
      record({
        kind: 'repository.forgotten',
        subject: repositorySubject(name),
        message: `repository ${name} is forgotten, with ${volumes} volumes and ${snapshots} snapshots; on its storage everything stays`,
        data: { repositoryId: id, kind: repository.kind, volumes, snapshots },
      });
    });
  });
}

function erase({ catalog, spaces }: Control, { id }: RepositoryRecord): void {
  catalog.volumes.deleteOfRepository(id);
  catalog.snapshots.deleteOfRepository(id);
  catalog.repositories.delete(id);
  spaces.delete(id);
}

function refuseFull(control: Control, { id, name }: RepositoryRecord): void {
  const { catalog } = control;
  refuseVdisks({ catalog }, { id, name });
  refuseLayers(control, { id, name, isOpen: false });
  refuseOverlays(control, { id, name, isOpen: false });
  const volumes = catalog.volumes.count(id);
  const snapshots = catalog.snapshots.count(id);
  if (volumes + snapshots === 0) {
    // A replication into it has not made its volumes yet.
    refuseMembers({ catalog }, { id, name });
    return;
  }
  throw new Fault(
    'IN_USE',
    `repository ${name} has ${volumes} volumes and ${snapshots} snapshots`,
    {
      field: 'repository.volumes',
      value: volumes + snapshots,
      expected: 'an empty one, or to forget it (rootcast repository forget), which deletes nothing',
    },
  );
}

/** Their layers are no volumes that anybody sees, and would be lost without a word. */
function refuseVdisks(
  { catalog }: Pick<Control, 'catalog'>,
  { id, name }: Pick<RepositoryRecord, 'id' | 'name'>,
): void {
  const living = catalog.vdisks.all().filter(({ repositoryId }) => repositoryId === id);
  if (living.length > 0) {
    const names = living.map((vdisk) => vdisk.name);
    throw new Fault(
      'IN_USE',
      `the layers of vDisks are in repository ${name}: ${toldNames(names)}`,
      {
        field: 'repository.vdisks',
        value: names,
        expected: 'no vDisk that lives there (rootcast vdisk delete)',
      },
    );
  }
  const written = catalog.vdisks.all().filter((vdisk) => vdisk.overlayRepositoryId === id);
  if (written.length > 0) {
    const names = written.map((vdisk) => vdisk.name);
    throw new Fault(
      'IN_USE',
      `write caches of vDisks are made in repository ${name}: ${toldNames(names)}`,
      {
        field: 'repository.vdisks',
        value: names,
        expected: 'no vDisk that names it (rootcast vdisk set --no-overlay-repository)',
      },
    );
  }
  const wanted = catalog.replicas.wantedIn(id);
  const copies = catalog.replicas.count(id);
  if (wanted.length + copies === 0) return;
  const names = wanted.map(({ vdiskId }) => catalog.vdisks.byId(vdiskId)?.name ?? vdiskId);
  const whose = names.length === 0 ? 'that are being removed' : `of vDisks: ${toldNames(names)}`;
  throw new Fault('IN_USE', `repository ${name} has replicas ${whose}`, {
    field: 'repository.replicas',
    value: names,
    expected: 'none (rootcast vdisk unreplicate), and nobody who reads one',
  });
}

/** What is deleted in the background, or was left by a crash: nobody would know of it any more. */
function refuseLeftovers({ catalog }: Control, { id, name }: NamedRepository): void {
  const hidden = catalog.volumeNodes.hidden().filter(({ repositoryId }) => repositoryId === id);
  const count = hidden.length + catalog.arrayLeftovers.ofRepository(id).length;
  if (count === 0) return;
  throw new Fault('IN_USE', `${count} objects of repository ${name} are still to be deleted`, {
    field: 'repository.volumes',
    value: count,
    expected:
      'a moment of patience; what a crash left is deleted when it is attached next; or to forget it',
  });
}

function refuseMembers({ catalog }: Pick<Control, 'catalog'>, { id, name }: NamedRepository): void {
  const isOurs = (volumeId: string): boolean => catalog.volumes.byId(volumeId)?.repositoryId === id;
  const groups = catalog.volumeGroups
    .all()
    .filter((group) => catalog.volumeGroups.members(group.id).some(isOurs));
  const schedules = catalog.schedules
    .all()
    .filter((schedule) => catalog.schedules.members(schedule.id).some(isOurs));
  const replications = catalog.replications
    .all()
    .filter(({ repositories }) => repositories.left === id || repositories.right === id);
  const names = [...groups, ...schedules, ...replications].map((one) => one.name);
  if (names.length === 0) return;
  throw new Fault('IN_USE', `volumes of repository ${name} are in ${names.join(', ')}`, {
    field: 'repository.volumes',
    value: names,
    expected: 'none that a volume group, a snapshot schedule or a replication has',
  });
}
