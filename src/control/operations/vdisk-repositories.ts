/** Repositories that a vDisk names: that of its layers, and that of its write caches. */
import { Fault } from '../../errors/index.ts';
import type { VdiskRecord } from '../catalog/records.ts';
import type { Control } from '../control.ts';

const OWN = 'or none for the one of the service';

/** @throws Fault NOT_FOUND */
export function parseLayerRepository(
  control: Control,
  name: string | undefined,
): string | undefined {
  return name === undefined ? undefined : find(control, name, 'repository');
}

/**
 * Write caches are made in it when machines boot, so it has to be there.
 * @throws Fault NOT_FOUND, UNAVAILABLE
 */
export function parseOverlayRepository(
  control: Control,
  name: string | undefined,
): string | undefined {
  if (name === undefined) return undefined;
  const field = 'overlayRepository';
  const id = find(control, name, field);
  if (control.storage.isAttached(id)) return id;
  throw new Fault('UNAVAILABLE', `repository ${name} is not attached`, {
    field,
    value: name,
    expected: `a repository that is attached (rootcast repository show ${name} says why it is not), ${OWN}`,
  });
}

/** null: the service's own. */
export function repositoryName({ catalog }: Control, id: string | undefined): string | null {
  return id === undefined ? null : (catalog.repositories.byId(id)?.name ?? null);
}

/** Write caches of it that are not where new ones are made: they stay there until they go. */
export function overlaysElsewhere(
  { dataPlane }: Control,
  { overlayRepositoryId }: VdiskRecord,
  ownerIds: readonly string[],
): number {
  const isElsewhere = (ownerId: string): boolean => {
    const overlay = dataPlane.overlay(ownerId);
    return overlay !== undefined && overlay.repositoryId !== overlayRepositoryId;
  };
  return ownerIds.filter(isElsewhere).length;
}

function find({ catalog }: Control, name: string, field: string): string {
  const repository = catalog.repositories.byName(name);
  if (repository !== undefined) return repository.id;
  throw new Fault('NOT_FOUND', `there is no repository ${name}`, {
    field,
    value: name,
    expected: `the name of a repository, ${OWN}`,
  });
}
