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

const SNAPSHOT = { description: 'snapshot, read-only', readOnly: true } as const;

/** An export, and whom it is of. */
interface Found {
  readonly volume: VolumeName & { readonly size: number };
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
        volumesOf(catalog, id)
          .filter(({ role }) => role !== 'replica')
          .map(({ name }) => ({ name: `${VOLUME}${repository}/${name}`, description: 'volume' })),
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
      this.#refuseOutdated(name, head.key);
      return { ...head, volume: content };
    });
  }

  /** While it was opened it may have been deleted, or become a replica. @throws Fault EXPORT_NOT_FOUND */
  #refuseOutdated(name: string, key: string): void {
    try {
      this.#find(name);
    } catch (error) {
      this.release(key);
      throw error;
    }
  }

  /** What one that is open is made of by now: it may have been exchanged since its plan was given. */
  now(plan: VolumePlan): VolumePlan {
    const volume = this.#parts.open.content(plan.key);
    return volume === undefined ? plan : { ...plan, volume };
  }

  /**
   * What replication copies, by what control knows it as.
   * @param options.write it is the head of a replica. Counted until `release` of its key.
   * @throws Fault NOT_FOUND, UNAVAILABLE; IN_USE: to be written, and open
   */
  openNamed(
    what: VolumeName | SnapshotName,
    { write }: { readonly write: boolean },
  ): Promise<VolumePlan> {
    return inFaults(async () => {
      const { repositories, catalog, open } = this.#parts;
      repositories.of(what.repositoryId);
      if ('snapshotId' in what) {
        const key = snapshotKey(what.snapshotId);
        const content = await this.#openSnapshot(what);
        const head = this.#heads.get(key) ?? { key, ...SNAPSHOT, name: key };
        this.#heads.set(key, head);
        return { ...head, volume: content };
      }
      const key = volumeKey(what.volumeId);
      if (write) open.refuseOpen(key, 'the replica');
      const size = catalog.volumes.byId(what.volumeId)?.size ?? 0;
      const content = await this.#openVolume({ ...what, size });
      const head = { key, name: key, description: 'head of a replica', readOnly: !write };
      this.#heads.set(key, head);
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
    const volume = { volumeId, repositoryId, handle, size };
    if (snapshotName === undefined) {
      // Its head is on its way from one point to the next: only points are offered.
      if (role === 'replica') throw noExport(exportName);
      return { volume, snapshot: undefined };
    }
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
    return { key: snapshotKey(snapshot.snapshotId), name, ...SNAPSHOT };
  }
  return { key: volumeKey(volume.volumeId), name, description: 'volume', readOnly: false };
}

function volumesOf(catalog: Catalog, repositoryId: string) {
  return catalog.volumes.page(repositoryId, '', LISTED_VOLUMES);
}
