/**
 * What passes through volumes and vDisks, counted by the threads that serve them, in memory that goes to them with the
 * plans of exports. There is a little for each repository that was attached since the start, and it is not freed
 * before the repository is deleted: somebody may count in it.
 */
import type { Catalog } from '../../control/index.ts';
import { createTraffic, readTraffic, type Traffic } from '../../exports/index.ts';

export interface TrafficBookOptions {
  readonly catalog: Pick<Catalog, 'repositories'>;
  readonly isAttached: (repositoryId: string) => boolean;
  /** Threads that serve exports. */
  readonly workers: number;
}

export class TrafficBook {
  readonly #options: TrafficBookOptions;
  readonly #repositories = new Map<string, SharedArrayBuffer>();
  /** Of sealed layers that are read as they are: by who looks at a vDisk, or writes to itself. */
  readonly layers: SharedArrayBuffer;

  constructor(options: TrafficBookOptions) {
    this.#options = options;
    this.layers = createTraffic(options.workers);
  }

  /** Of the volumes of a repository, and their snapshots. */
  memoryOf(repositoryId: string): SharedArrayBuffer {
    const known = this.#repositories.get(repositoryId);
    if (known !== undefined) return known;
    const memory = createTraffic(this.#options.workers);
    this.#repositories.set(repositoryId, memory);
    return memory;
  }

  /** Of each that is attached, by its id. */
  ofRepositories(): ReadonlyMap<string, Traffic> {
    const { catalog, isAttached } = this.#options;
    const ids = catalog.repositories.all().map(({ id }) => id);
    const there = new Set(ids);
    for (const id of this.#repositories.keys()) if (!there.has(id)) this.#repositories.delete(id);
    const attached = ids.filter(isAttached);
    return new Map(attached.map((id) => [id, readTraffic(this.memoryOf(id))]));
  }

  ofLayers(): Traffic {
    return readTraffic(this.layers);
  }
}
