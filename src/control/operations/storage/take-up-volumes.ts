/**
 * What lies on storage that the catalog has forgotten: volumes that were made here once come back under the ids that
 * they had, so that whoever remembers one finds it. What else is there is somebody else's, and is taken only when that
 * is wished.
 */
import type { Control } from '../../control.ts';
import type { VolumeView } from '../../schemas/stored-volume.ts';
import { repositoryName, requireAttached } from '../../storage/names.ts';
import type { ForeignVolume } from '../../storage-port.ts';
import { freeName } from '../../values/free-name.ts';
import { keepVolume, newVolume, refuseNewVolume } from './create-volume.ts';
import { findRepository } from './find-storage.ts';
import { NOTHING_MORE } from './volume-tasks.ts';

export interface TakenUp {
  readonly volumes: readonly VolumeView[];
  /**
   * Volumes that were ours and are left alone, because parts of layers lie beside them whose records are lost: which of
   * them stand for a whole volume, and which for its state at some snapshot, is not known any more.
   */
  readonly doubtful: number;
}

/**
 * @param takesStranger whether to take one that was never ours
 * @throws Fault NOT_FOUND, UNAVAILABLE, UNREACHABLE, LIMIT_EXCEEDED, UNSUPPORTED (a stranger, where none can be taken)
 */
export async function takeUpVolumes(
  control: Control,
  repositoryName: string,
  takesStranger: (volume: ForeignVolume) => boolean,
  { signal, progress }: { signal: AbortSignal; progress: (fraction: number) => void },
): Promise<TakenUp> {
  const repository = findRepository(control.catalog, repositoryName);
  requireAttached(control, repository);
  const found = await control.storage.listForeign(repository.id);
  const isDoubtful = found.some(isPart);
  const ours = found.filter((volume) => volume.tag !== undefined && !isPart(volume));
  const strangers = found.filter((volume) => volume.tag === undefined && takesStranger(volume));
  const taken = [...(isDoubtful ? [] : ours), ...strangers];
  const volumes: VolumeView[] = [];
  for (const [index, volume] of taken.entries()) {
    signal.throwIfAborted();
    volumes.push(await takeUp(control, repository.id, volume));
    progress((index + 1) / taken.length);
  }
  return { volumes, doubtful: isDoubtful ? ours.length : 0 };
}

/** Data or a map of layers (src/volumes), by how those are called on arrays. */
function isPart({ tag, name }: ForeignVolume): boolean {
  return tag !== undefined && (name === `layer-${tag}` || name === `base-${tag}`);
}

function takeUp(control: Control, repositoryId: string, found: ForeignVolume): Promise<VolumeView> {
  const { catalog } = control;
  const { nativeId, tag, name: nativeName } = found;
  const repository = findRepository(catalog, repositoryName(catalog, repositoryId));
  const name = freeName(
    nativeName,
    'volume',
    (candidate) => catalog.volumes.byName(repositoryId, candidate) !== undefined,
  );
  refuseNewVolume(control, repository, name);
  const isFree =
    tag !== undefined &&
    catalog.volumes.byId(tag) === undefined &&
    catalog.snapshots.byId(tag) === undefined;
  const id = isFree ? tag : control.newId();
  return control.storage.adopt({ repositoryId, nativeId, volumeId: id, tag }, (stored) =>
    keepVolume(control, newVolume(control, { id, repository, name, description: '' }, stored), {
      how: 'adopted',
      whenKept: NOTHING_MORE,
    }),
  );
}
