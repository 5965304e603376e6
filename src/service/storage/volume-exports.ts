/**
 * `volume/REPO/NAME` and `volume/REPO/NAME@SNAPSHOT`: what the workers ask about volumes. Nothing of a block
 * passes through here.
 */
import type { Catalog, SnapshotName, VolumeName } from '../../control/index.ts';
import type { ExportSummary, VolumePlan } from '../../exports/index.ts';
import {
  type OpenVolumes,
  snapshotKey,
  type VolumeContent,
  volumeKey,
} from '../../volumes/index.ts';
import { noExport, VOLUME } from '../export-names.ts';
import { objectOf, readHandle } from './handles.ts';
import { LISTED_VOLUMES } from './limits.ts';
import { inFaults } from './storage-fault.ts';
import type { StorageParts } from './storage-parts.ts';

/** An export, and whom it is of. */
interface Found {
  readonly volume: VolumeName & { readonly size: number; readonly isReplica: boolean };
  readonly snapshot: SnapshotName | undefined;
}

type Parts = Pick<StorageParts, 'catalog' | 'repositories' | 'trees'> & {
  readonly open: OpenVolumes;
  readonly troubled: (what: string, error: unknown) => void;
};

export class VolumeExports {
  readonly #parts: Parts;
  /** What the plans that were given out are of, by key: for the next one of the same. */
  readonly #heads = new Map<string, Omit<VolumePlan, 'volume'>>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  list(): readonly ExportSummary[] {
    const { catalog, repositories } = this.#parts;
    return catalog.repositories
      .all()
      .filter(({ id }) => repositories.has(id))
      .flatMap(({ id, name: repository }) =>
        volumesOf(catalog, id).map(({ name, role }) => ({
          name: `${VOLUME}${repository}/${name}`,
          description: role === 'replica' ? 'volume, a replica, read-only' : 'volume',
        })),
      );
  }

  /** Counted until `release` of its key. @throws Fault EXPORT_NOT_FOUND, UNAVAILABLE */
  open(name: string): Promise<VolumePlan> {
    return inFaults(async () => {
      const { volume, snapshot } = this.#find(name);
      this.#parts.repositories.of(volume.repositoryId);
      const head = headOf(name, volume, snapshot);
      const content =
        snapshot === undefined
          ? await this.#openVolume(volume)
          : await this.#openSnapshot(snapshot);
      this.#heads.set(head.key, head);
      return { ...head, volume: content };
    });
  }

  /** Whether it was one of a volume. */
  release(key: string): boolean {
    if (!this.#heads.has(key)) return false;
    this.#parts.open.release(key).then(
      () => {
        if (!this.#parts.open.isOpen(key)) this.#heads.delete(key);
      },
      (error: unknown) => this.#parts.troubled(`closing ${key}`, error),
    );
    return true;
  }

  /** What it is made of now, for the workers that have it open; undefined: nobody has. */
  planOf(key: string, content: VolumeContent): VolumePlan | undefined {
    const head = this.#heads.get(key);
    return head === undefined ? undefined : { ...head, volume: content };
  }

  /** Of the export through which the volume is open; undefined: it is not. */
  nameOfVolume(volumeId: string): string | undefined {
    return this.nameOf(volumeKey(volumeId));
  }

  nameOf(key: string): string | undefined {
    return this.#heads.get(key)?.name;
  }

  #openVolume(volume: Found['volume']): Promise<VolumeContent> {
    const { trees, catalog } = this.#parts;
    const { repositoryId, volumeId, handle, size } = volume;
    const head = catalog.volumeNodes.ofVolume(volumeId);
    const object = head?.data ?? objectOf(handle);
    return trees.heads.useVolume({ repositoryId, volumeId, plain: { volume: object, size } });
  }

  #openSnapshot({ snapshotId, handle }: SnapshotName): Promise<VolumeContent> {
    const { trees, open } = this.#parts;
    const read = readHandle(handle);
    if (read.kind === 'layers') return trees.heads.useSnapshot(snapshotId);
    const { locator } = read.object;
    return open.use(snapshotKey(snapshotId), {
      make: async () => ({ kind: 'plain', locator }),
      closed: async () => {},
    });
  }

  #find(exportName: string): Found {
    const { catalog } = this.#parts;
    const [, repositoryName = '', volumeName = '', snapshotName] =
      /^volume\/([^/]+)\/([^/@]+)(?:@(.+))?$/.exec(exportName) ?? [];
    const repository = catalog.repositories.byName(repositoryName);
    const record = repository && catalog.volumes.byName(repository.id, volumeName);
    if (record === undefined) throw noExport(exportName);
    const { id: volumeId, repositoryId, handle, size, role } = record;
    const volume = { volumeId, repositoryId, handle, size, isReplica: role === 'replica' };
    if (snapshotName === undefined) return { volume, snapshot: undefined };
    const snapshot = catalog.snapshots.byName(volumeId, snapshotName);
    if (snapshot === undefined) throw noExport(exportName);
    const { id: snapshotId } = snapshot;
    return { volume, snapshot: { repositoryId, volumeId, snapshotId, handle: snapshot.handle } };
  }
}

function headOf(
  name: string,
  volume: Found['volume'],
  snapshot: SnapshotName | undefined,
): Omit<VolumePlan, 'volume'> {
  if (snapshot !== undefined) {
    const key = snapshotKey(snapshot.snapshotId);
    return { key, name, description: 'snapshot, read-only', readOnly: true };
  }
  const description = volume.isReplica ? 'volume, a replica, read-only' : 'volume';
  return { key: volumeKey(volume.volumeId), name, description, readOnly: volume.isReplica };
}

function volumesOf(catalog: Catalog, repositoryId: string) {
  return catalog.volumes.page(repositoryId, '', LISTED_VOLUMES);
}
