/**
 * `volume/REPO/NAME` and `volume/REPO/NAME@SNAPSHOT`: what the workers ask about volumes. Nothing of a block
 * passes through here.
 */
import {
  type Catalog,
  type SnapshotName,
  snapshotNameOf,
  type VolumeName,
  volumeNameOf,
} from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
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
import type { TrafficBook } from './traffic-book.ts';
import { type UseKind, VolumeUses } from './volume-uses.ts';

const SNAPSHOT = { description: 'snapshot, read-only', readOnly: true } as const;

type Parts = Pick<StorageParts, 'catalog' | 'repositories' | 'trees'> & {
  readonly open: OpenVolumes;
  readonly traffic: Pick<TrafficBook, 'use' | 'release'>;
  readonly troubled: (what: string, error: unknown) => void;
};

/** How somebody opens it. */
interface Opening {
  /** Under which it is known as long as it is open: of an export, or what is said of who has it open. */
  readonly name: string;
  readonly kind: UseKind;
}

export class VolumeExports {
  readonly #parts: Parts;
  /** What the plans that were given out are of, by key: for the next one of the same. */
  readonly #heads = new Map<string, Omit<VolumePlan, 'volume'>>();
  readonly #uses = new VolumeUses();

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

  /** Counted until `release` of its key and name. @throws Fault EXPORT_NOT_FOUND, UNAVAILABLE, IN_USE */
  open(name: string): Promise<VolumePlan> {
    return inFaults(async () => {
      const what = this.#find(name);
      const kind = 'snapshotId' in what ? 'look' : 'serve';
      const plan = await this.#open(what, { name, kind });
      // While it was opened it may have been deleted, or become a replica.
      return this.#unless(plan, () => void this.#find(name));
    });
  }

  /**
   * A volume that is no replica, or a snapshot, as it is in the catalog now.
   * @param how.kind `serve` is for `open` alone
   * @throws Fault NOT_FOUND, UNAVAILABLE, IN_USE
   */
  openDisk(
    what: VolumeName | SnapshotName,
    how: Opening & { readonly kind: 'look' | 'read' | 'write' },
  ): Promise<VolumePlan> {
    return inFaults(async () => {
      for (;;) {
        const current = this.#current(what);
        const plan = await this.#open(current, how);
        let isSame = false;
        this.#unless(plan, () => {
          isSame = JSON.stringify(this.#current(what).handle) === JSON.stringify(current.handle);
        });
        if (isSame) return plan;
        // It was reverted or grown while it was opened: what it is made of may be other than what was known.
        this.release(plan.key, plan.name);
      }
    });
  }

  /** What one that is open is made of by now: it may have been exchanged since its plan was given. */
  now(plan: VolumePlan): VolumePlan {
    const volume = this.#parts.open.content(plan.key);
    return volume === undefined ? plan : { ...plan, volume };
  }

  /**
   * What replication copies, by what control knows it as.
   * @param options.write it is the head of a replica. Counted until `release` of its key and name.
   * @throws Fault NOT_FOUND, UNAVAILABLE; IN_USE: to be written, and open
   */
  openNamed(
    what: VolumeName | SnapshotName,
    { write }: { readonly write: boolean },
  ): Promise<VolumePlan> {
    const kind = write ? 'write' : 'look';
    return inFaults(() => this.#open(what, { name: `replication of ${keyOf(what)}`, kind }));
  }

  async #open(what: VolumeName | SnapshotName, { name, kind }: Opening): Promise<VolumePlan> {
    this.#parts.repositories.of(what.repositoryId);
    const { repositoryId } = what;
    const id = 'snapshotId' in what ? what.snapshotId : what.volumeId;
    const key = keyOf(what);
    this.#uses.enter(key, name, kind);
    const traffic = this.#parts.traffic.use({ key, id, repositoryId });
    const head = { ...headOf(what, name), traffic };
    try {
      const content = await ('snapshotId' in what
        ? this.#openSnapshot(what)
        : this.#openVolume(what));
      this.#heads.set(key, head);
      const onlyLooks = !('snapshotId' in what) && (kind === 'look' || kind === 'read');
      return { ...head, volume: content, ...(onlyLooks ? { view: 'read-only' as const } : {}) };
    } catch (error) {
      this.#leave(key, name);
      throw error;
    }
  }

  /** @throws what `check` throws; it is given back then */
  #unless(plan: VolumePlan, check: () => void): VolumePlan {
    try {
      check();
      return plan;
    } catch (error) {
      this.release(plan.key, plan.name);
      throw error;
    }
  }

  /** Whether it was one of a volume. */
  release(key: string, name: string): boolean {
    if (!this.#heads.has(key)) return false;
    this.#leave(key, name);
    this.#parts.open.release(key).then(
      () => {
        if (!this.#parts.open.isOpen(key)) this.#heads.delete(key);
      },
      (error: unknown) => this.#parts.troubled(`closing ${key}`, error),
    );
    return true;
  }

  #leave(key: string, name: string): void {
    this.#uses.leave(key, name);
    this.#parts.traffic.release(key);
  }

  /** What it is made of now, for the workers that have it open; undefined: nobody has. */
  planOf(key: string, content: VolumeContent): VolumePlan | undefined {
    const head = this.#heads.get(key);
    return head === undefined ? undefined : { ...head, volume: content };
  }

  /** Under which it is open: of exports, and of what has no connections. None: it is not. */
  namesOf(key: string): readonly string[] {
    return this.#uses.names(key);
  }

  /** Who has it open, for people. */
  users(what: VolumeName | SnapshotName): readonly string[] {
    return this.#uses.users(keyOf(what));
  }

  /** @throws Fault NOT_FOUND, IN_USE */
  #current(what: VolumeName | SnapshotName): VolumeName | SnapshotName {
    const { snapshots, volumes } = this.#parts.catalog;
    if ('snapshotId' in what) {
      const { snapshotId } = what;
      const snapshot = snapshots.byId(snapshotId);
      if (snapshot === undefined) throw gone('snapshot', snapshotId);
      return snapshotNameOf(snapshot);
    }
    const { volumeId } = what;
    const volume = volumes.byId(volumeId);
    if (volume === undefined) throw gone('volume', volumeId);
    if (volume.role === 'replica') throw replica(volume.name);
    return volumeNameOf(volume);
  }

  #openVolume({ repositoryId, volumeId, handle }: VolumeName): Promise<VolumeContent> {
    const { trees, catalog } = this.#parts;
    const size = catalog.volumes.byId(volumeId)?.size ?? 0;
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

  #find(exportName: string): VolumeName | SnapshotName {
    const { catalog } = this.#parts;
    const [, repositoryName = '', volumeName = '', snapshotName] =
      /^volume\/([^/]+)\/([^/@]+)(?:@(.+))?$/.exec(exportName) ?? [];
    const repository = catalog.repositories.byName(repositoryName);
    const record = repository && catalog.volumes.byName(repository.id, volumeName);
    if (record === undefined) throw noExport(exportName);
    if (snapshotName === undefined) {
      // Its head is on its way from one point to the next: only points are offered.
      if (record.role === 'replica') throw noExport(exportName);
      return volumeNameOf(record);
    }
    const snapshot = catalog.snapshots.byName(record.id, snapshotName);
    if (snapshot === undefined) throw noExport(exportName);
    return snapshotNameOf(snapshot);
  }
}

function headOf(what: VolumeName | SnapshotName, name: string): Omit<VolumePlan, 'volume'> {
  const key = keyOf(what);
  if ('snapshotId' in what) return { key, name, ...SNAPSHOT };
  return { key, name, description: 'volume', readOnly: false };
}

function keyOf(what: VolumeName | SnapshotName): string {
  return 'snapshotId' in what ? snapshotKey(what.snapshotId) : volumeKey(what.volumeId);
}

function gone(what: 'volume' | 'snapshot', id: string): Fault {
  return new Fault('NOT_FOUND', `the ${what} is gone`, { field: what, value: id });
}

/** Half way from one point to the next. */
function replica(name: string): Fault {
  return new Fault('IN_USE', `volume ${name} is a replica: only its snapshots can be read`, {
    field: 'volume.role',
    value: 'replica',
    expected: 'one that is no replica, or a snapshot',
  });
}

function volumesOf(catalog: Catalog, repositoryId: string) {
  return catalog.volumes.page(repositoryId, '', LISTED_VOLUMES);
}
