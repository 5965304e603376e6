import { Fault } from '../../errors/index.ts';
import type { Control } from '../control.ts';
import { toldNames } from '../values/told-names.ts';

type Parts = Pick<Control, 'catalog' | 'dataPlane'>;

/**
 * Write caches of machines, and of versions in maintenance, lie in repositories, too, and no volume says so.
 * @param repository.isOpen only those that somebody has open: a detached repository keeps the others
 * @throws Fault IN_USE
 */
export function refuseOverlays(
  { catalog, dataPlane }: Parts,
  { id, name, isOpen }: { readonly id: string; readonly name: string; readonly isOpen: boolean },
): void {
  const owners = isOpen
    ? dataPlane.openOverlaysIn(id)
    : new Set(catalog.overlayPlaces.ofRepository(id).map(({ ownerId }) => ownerId));
  if (owners.size === 0) return;
  const names = [...owners].map((ownerId) => ownerName({ catalog }, ownerId)).sort();
  const what = isOpen ? 'open write caches' : 'write caches';
  throw new Fault('IN_USE', `${what} are in repository ${name}: ${toldNames(names)}`, {
    field: 'repository.overlays',
    value: names,
    expected: isOpen
      ? 'machines that are off, or force'
      : 'none: reset or delete the machines, seal or delete the versions first',
  });
}

/**
 * The write cache of a machine, or of a version in maintenance, is where it can be read. Nothing takes its place
 * while it is not.
 * @throws Fault UNAVAILABLE
 */
export function refuseOverlayAway(
  { catalog, dataPlane, storage }: Parts & Pick<Control, 'storage'>,
  ownerId: string,
): void {
  const id = dataPlane.overlay(ownerId)?.repositoryId;
  if (id === undefined || storage.isAttached(id)) return;
  const name = catalog.repositories.byId(id)?.name ?? id;
  const whose = ownerName({ catalog }, ownerId);
  throw new Fault(
    'UNAVAILABLE',
    `the write cache of ${whose} is in repository ${name}, which is away`,
    {
      field: 'repository.state',
      value: name,
      expected:
        'a repository that is attached; or to give the write cache up (machine reset, version delete)',
    },
  );
}

function ownerName({ catalog }: Pick<Control, 'catalog'>, ownerId: string): string {
  const machine = catalog.machines.byId(ownerId);
  if (machine !== undefined) return machine.name;
  const version = catalog.versions.byId(ownerId);
  if (version === undefined) return 'a machine that was deleted';
  return `version ${version.number} of ${catalog.vdisks.byId(version.vdiskId)?.name ?? 'a vDisk'}`;
}
