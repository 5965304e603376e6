/** Repositories and what is in them by the names that people give, or a fault that says what was not found. */
import { Fault } from '../../../errors/index.ts';
import type { Catalog } from '../../catalog/catalog.ts';
import type {
  GroupRecord,
  HookRecord,
  HostRecord,
  RepositoryRecord,
  ScheduleRecord,
  SnapshotRecord,
  VolumeRecord,
} from '../../catalog/storage/records.ts';
import {
  parseVolumeAddress,
  SNAPSHOT_ADDRESS_RULE,
  snapshotAddress,
} from '../../values/storage-address.ts';

function notFound(what: string, name: string, field: string, expected: string): Fault {
  return new Fault('NOT_FOUND', `there is no ${what} ${name}`, { field, value: name, expected });
}

/** @throws Fault NOT_FOUND */
export function findRepository(
  catalog: Catalog,
  name: string,
  field = 'repository.name',
): RepositoryRecord {
  const repository = catalog.repositories.byName(name);
  if (repository !== undefined) return repository;
  const expected = 'the name of a repository (rootcast repository list)';
  throw notFound('repository', name, field, expected);
}

export interface FoundVolume {
  readonly repository: RepositoryRecord;
  readonly volume: VolumeRecord;
}

/** @throws Fault NOT_FOUND */
export function findVolume(
  catalog: Catalog,
  repositoryName: string,
  name: string,
  field = 'volume.name',
): FoundVolume {
  const repository = findRepository(catalog, repositoryName);
  const volume = catalog.volumes.byName(repository.id, name);
  if (volume !== undefined) return { repository, volume };
  const expected = `the name of a volume of ${repositoryName} (rootcast volume list ${repositoryName})`;
  throw notFound('volume', `${repositoryName}/${name}`, field, expected);
}

/** @param address REPOSITORY/VOLUME. @throws Fault INVALID_INPUT, NOT_FOUND */
export function findAddressed(catalog: Catalog, address: string, field: string): FoundVolume {
  const { repository, volume } = parseVolumeAddress(address, field);
  return findVolume(catalog, repository, volume, field);
}

export interface FoundSnapshot {
  readonly repository: RepositoryRecord;
  readonly snapshot: SnapshotRecord;
}

/** @param address VOLUME@SNAPSHOT, or an id. @throws Fault NOT_FOUND */
export function findSnapshot(
  catalog: Catalog,
  repositoryName: string,
  address: string,
  field = 'snapshot.name',
): FoundSnapshot {
  const repository = findRepository(catalog, repositoryName);
  const named = snapshotAddress(address);
  const snapshot =
    named === undefined
      ? catalog.snapshots.byId(address)
      : byNames(catalog, repository, named.volume, named.snapshot);
  if (snapshot?.repositoryId === repository.id) return { repository, snapshot };
  const expected = `${SNAPSHOT_ADDRESS_RULE} (rootcast snapshot list ${repositoryName})`;
  throw notFound(`snapshot of ${repositoryName}`, address, field, expected);
}

function byNames(
  catalog: Catalog,
  { id }: RepositoryRecord,
  volumeName: string,
  name: string,
): SnapshotRecord | undefined {
  const volume = catalog.volumes.byName(id, volumeName);
  return volume === undefined ? undefined : catalog.snapshots.byName(volume.id, name);
}

/** @throws Fault NOT_FOUND */
export function findHost(catalog: Catalog, name: string, field = 'host.name'): HostRecord {
  const host = catalog.hosts.byName(name);
  if (host !== undefined) return host;
  throw notFound('host', name, field, 'the name of a host (rootcast host list)');
}

/** @throws Fault NOT_FOUND */
export function findGroup(catalog: Catalog, name: string, field = 'volumeGroup.name'): GroupRecord {
  const group = catalog.volumeGroups.byName(name);
  if (group !== undefined) return group;
  const expected = 'the name of a volume group (rootcast volume-group list)';
  throw notFound('volume group', name, field, expected);
}

/** @throws Fault NOT_FOUND */
export function findSchedule(catalog: Catalog, name: string): ScheduleRecord {
  const schedule = catalog.schedules.byName(name);
  if (schedule !== undefined) return schedule;
  const expected = 'the name of a schedule (rootcast snapshot-schedule list)';
  throw notFound('snapshot schedule', name, 'snapshotSchedule.name', expected);
}

/** @throws Fault NOT_FOUND */
export function findHook(catalog: Catalog, name: string): HookRecord {
  const hook = catalog.hooks.byName(name);
  if (hook !== undefined) return hook;
  throw notFound('hook', name, 'hook.name', 'the name of a hook (rootcast hook list)');
}

/** @throws Fault ALREADY_EXISTS. @param there what has the name already, if anything */
export function refuseTaken(there: unknown, what: string, name: string, field: string): void {
  if (there === undefined) return;
  throw new Fault('ALREADY_EXISTS', `there is a ${what} ${name} already`, {
    field,
    value: name,
    expected: `a name that no other ${what} has`,
  });
}

/** @throws Fault LIMIT_EXCEEDED */
export function refuseBeyond(count: number, most: number, what: string): void {
  if (count < most) return;
  throw new Fault('LIMIT_EXCEEDED', `there are too many ${what}`, {
    field: what,
    value: count,
    expected: `at most ${most}`,
  });
}
