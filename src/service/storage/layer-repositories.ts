/**
 * Where layers and overlays of vDisks lie: in the service's own repository, or in one that is attached. A volume of
 * another repository than the service's own is called REPOSITORY/ID wherever layers name volumes.
 */
import type { BlockDevice } from '../../block/index.ts';
import { type Catalog, placeOf, volumeIdIn } from '../../control/index.ts';
import { Fault } from '../../errors/index.ts';
import type { VolumeControl, VolumeData, VolumeLocator } from '../../repositories/index.ts';
import { type ArrayVolumes, volumesOf } from '../../volumes/index.ts';
import type { Repository } from '../repository.ts';
import type { AttachedRepositories } from './attached-repositories.ts';
import { inFaults } from './storage-fault.ts';

interface Attached {
  readonly repositories: AttachedRepositories;
  readonly arrays: ArrayVolumes;
}

/** All repositories as one. `listVolumes` and `space` are of the service's own. */
export class LayerRepositories implements Repository {
  readonly volumes: VolumeControl;
  readonly data: VolumeData;
  readonly #own: Repository;
  readonly #catalog: Catalog;
  #attached: Attached | undefined;

  constructor(own: Repository, catalog: Catalog) {
    this.#own = own;
    this.#catalog = catalog;
    this.volumes = {
      createVolume: ({ id, size }) =>
        this.#in(id, (volumes, inner) => volumes.createVolume({ id: inner, size })),
      deleteVolume: (id) => this.#delete(id),
      showVolume: (id) => this.#in(id, (volumes, inner) => volumes.showVolume(inner)),
      listVolumes: () => own.volumes.listVolumes(),
      space: () => own.volumes.space(),
    };
    this.data = { open: (locator, options) => this.#open(locator, options) };
  }

  /** Repositories are attached after the first layers were looked for. */
  reach(attached: Attached): void {
    this.#attached = attached;
  }

  isAttached(repositoryId: string): boolean {
    return this.#attached?.repositories.has(repositoryId) === true;
  }

  /** The same object as long as the repository is not detached; undefined: it is not attached. */
  attachment(repositoryId: string): object | undefined {
    return this.isAttached(repositoryId)
      ? this.#reached().repositories.of(repositoryId)
      : undefined;
  }

  /** A volume that was made has a record now: within that transaction. */
  kept(volumeId: string): void {
    this.#reached().arrays.kept(placeOf(volumeId).id);
  }

  /** What makes volumes in one of them; their ids are as they are elsewhere, without the repository. */
  volumesIn(
    repositoryId: string | undefined,
  ): Pick<VolumeControl, 'createVolume' | 'deleteVolume' | 'space'> {
    if (repositoryId === undefined) return this.#own.volumes;
    const name = (id: string): string => volumeIdIn(repositoryId, id);
    return {
      createVolume: ({ id, size }) => this.volumes.createVolume({ id: name(id), size }),
      deleteVolume: (id) => this.volumes.deleteVolume(name(id)),
      space: () => this.#in(name(''), (volumes) => volumes.space()),
    };
  }

  /** One of a repository that cannot be reached is deleted when that is attached the next time. */
  async #delete(volumeId: string): Promise<void> {
    const { repositoryId, id } = placeOf(volumeId);
    if (repositoryId !== undefined && !this.isAttached(repositoryId)) {
      if (this.#attached === undefined) this.#catalog.arrayLeftovers.add(id, repositoryId);
      else this.#attached.arrays.doomed(id, repositoryId);
      return;
    }
    await this.#in(volumeId, (volumes, inner) => volumes.deleteVolume(inner));
  }

  #in<T>(volumeId: string, work: (volumes: VolumeControl, id: string) => Promise<T>): Promise<T> {
    const { repositoryId, id } = placeOf(volumeId);
    if (repositoryId === undefined) return work(this.#own.volumes, id);
    return inFaults(async () => {
      const { repositories, arrays } = this.#reached();
      return work(volumesOf(repositories.of(repositoryId), arrays), id);
    });
  }

  async #open(locator: VolumeLocator, options: { readonly write: boolean }): Promise<BlockDevice> {
    const { repository } = locator;
    if (repository === undefined) return this.#own.data.open(locator, options);
    return this.#reached().repositories.of(repository).data.open(locator, options);
  }

  #reached(): Attached {
    if (this.#attached !== undefined) return this.#attached;
    throw new Fault('UNAVAILABLE', 'repositories are not attached yet');
  }
}
