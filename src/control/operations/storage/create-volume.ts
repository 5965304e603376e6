import { Fault } from '../../../errors/index.ts';
import type { RepositoryRecord, VolumeRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import { MAX_VOLUME_BYTES, MAX_VOLUMES_PER_REPOSITORY } from '../../limits.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { CreateVolumeInput, VolumeView } from '../../schemas/stored-volume.ts';
import { requireAttached, volumeSubject } from '../../storage/names.ts';
import { storedFacts } from '../../storage/stored-facts.ts';
import type { StoredVolume } from '../../storage-port.ts';
import { parseByteSize } from '../../values/byte-size.ts';
import { parseName } from '../../values/name.ts';
import { taskView } from '../task-view.ts';
import { findRepository, refuseBeyond, refuseTaken } from './find-storage.ts';
import { callOf, NOTHING_MORE, type WhenKept } from './volume-tasks.ts';
import { volumeView } from './volume-view.ts';

/** The volume, and what its size was to be: the storage may have rounded it up. */
export interface SizedVolume {
  readonly volume: VolumeView;
  readonly requestedSize: number;
}

/** @throws Fault NOT_FOUND, INVALID_INPUT, ALREADY_EXISTS, LIMIT_EXCEEDED, UNREACHABLE … */
export function createVolume(
  control: Control,
  repositoryName: string,
  input: CreateVolumeInput,
  whenKept: WhenKept<VolumeRecord> = NOTHING_MORE,
): TaskView {
  const { catalog } = control;
  const repository = findRepository(catalog, repositoryName);
  const { name, thin = true, description = '' } = input;
  refuseNewVolume(control, repository, name);
  const size = parseVolumeSize(input.size, 'volume.size', repository);
  const subject = volumeSubject(repositoryName, name);
  const task = control.tasks.start('volume.create', subject, async (report, signal) => {
    signal.throwIfAborted();
    const volumeId = control.newId();
    const request = { repositoryId: repository.id, volumeId, name, size, thin };
    const keep = (stored: StoredVolume): SizedVolume => {
      const made = newVolume(control, { id: volumeId, repository, name, description }, stored);
      const how = { how: 'created', requestedSize: size, whenKept } as const;
      return { volume: keepVolume(control, made, how), requestedSize: size };
    };
    return control.storage.createVolume(request, keep, callOf(report, signal, 'creating'));
  });
  return taskView(task);
}

/** @throws Fault INVALID_INPUT, ALREADY_EXISTS, LIMIT_EXCEEDED, UNREACHABLE, UNAVAILABLE */
export function refuseNewVolume(
  control: Control,
  repository: RepositoryRecord,
  name: string,
): void {
  const { volumes } = control.catalog;
  parseName(name, 'volume.name');
  requireAttached(control, repository);
  refuseTaken(volumes.byName(repository.id, name), 'volume', name, 'volume.name');
  refuseBeyond(volumes.count(repository.id), MAX_VOLUMES_PER_REPOSITORY, 'volumes');
}

/** Bytes. @throws Fault INVALID_INPUT */
export function parseVolumeSize(
  value: number | string,
  field: string,
  { info }: RepositoryRecord,
): number {
  const size = parseByteSize(value, field);
  const most = Math.min(MAX_VOLUME_BYTES, info?.limits.sizeMaximum ?? MAX_VOLUME_BYTES);
  if (size > 0 && size <= most) return size;
  throw new Fault('INVALID_INPUT', `${field} is out of range`, {
    field,
    value,
    expected: `1 to ${most} bytes`,
  });
}

export function newVolume(
  control: Control,
  given: {
    readonly id: string;
    readonly repository: RepositoryRecord;
    readonly name: string;
    readonly description: string;
  },
  stored: StoredVolume,
): VolumeRecord {
  const { id, repository, name, description } = given;
  return {
    id,
    repositoryId: repository.id,
    name,
    description,
    ...storedFacts(stored),
    role: 'volume',
    parentSnapshotId: undefined,
    parentVolumeId: undefined,
    headSnapshotId: undefined,
    createdAt: control.clock.now(),
  };
}

/**
 * Into the catalog, unless the name or the repository is gone meanwhile.
 * @param options.requestedSize undefined: it was not asked for one
 * @throws Fault: it is undone
 */
export function keepVolume(
  control: Control,
  volume: VolumeRecord,
  options: {
    readonly how: 'created' | 'adopted' | 'cloned';
    readonly requestedSize?: number;
    readonly whenKept: WhenKept<VolumeRecord>;
  },
): VolumeView {
  const { how, requestedSize, whenKept } = options;
  const { catalog } = control;
  return control.change((record) => {
    const repository = catalog.repositories.byId(volume.repositoryId);
    if (repository === undefined) {
      throw new Fault('NOT_FOUND', 'the repository was deleted meanwhile');
    }
    const { name, size } = volume;
    refuseTaken(catalog.volumes.byName(repository.id, name), 'volume', name, 'volume.name');
    catalog.volumes.insert(volume);
    whenKept(volume);
    const view = volumeView(control, volume);
    const rounded = requestedSize === undefined || requestedSize === size;
    record({
      kind: `volume.${how}`,
      subject: volumeSubject(repository.name, name),
      message: rounded
        ? `volume ${repository.name}/${name} ${how}`
        : `volume ${repository.name}/${name} ${how}, its size rounded up from ${requestedSize} to ${size} bytes`,
      data: { volumeId: volume.id, size, thin: volume.thin, parent: view.parent },
    });
    return view;
  });
}
