/**
 * Whose pool (or namespace) it is: an empty image whose metadata says which repository lives here, which server has it
 * attached, and the fencing epoch, that grows when another server takes over. Two that make the pool theirs at the same
 * time both write who they are; the one that is not there any more is fenced.
 */
import { ArrayError } from '../../errors/index.ts';
import type { Cluster } from './cluster.ts';
import { type Images, ignoring } from './images.ts';
import { FENCE_SECONDS, SIZE_GRANULARITY } from './limits.ts';
import { MARKER } from './names.ts';

const KEY = {
  repository: 'rootcast.repository',
  owner: 'rootcast.owner',
  epoch: 'rootcast.epoch',
} as const;

export interface Owner {
  readonly repositoryId: string;
  /** This server's name on storage networks. */
  readonly server: string;
}

export class Ownership {
  readonly #cluster: Cluster;
  readonly #images: Images;
  readonly #owner: Owner;
  #epoch = 0;

  private constructor(cluster: Cluster, images: Images, owner: Owner) {
    this.#cluster = cluster;
    this.#images = images;
    this.#owner = owner;
  }

  /** The repository that lives in the pool; undefined: none does. */
  static async of(images: Images): Promise<string | undefined> {
    return (await markerOf(images)).get(KEY.repository);
  }

  /** @throws ArrayError ALREADY_MANAGED, NOT_FOUND (it is nobody's), EXCLUSIVE_ATTACHED */
  static async take(
    cluster: Cluster,
    images: Images,
    owner: Owner,
    options: { readonly create?: boolean; readonly takeOver?: boolean },
  ): Promise<Ownership> {
    const marker = await markerOf(images);
    const there = marker.get(KEY.repository);
    if (there !== undefined && there !== owner.repositoryId) {
      const message = `pool ${cluster.place} holds another repository`;
      throw new ArrayError('ALREADY_MANAGED', message, { value: there });
    }
    if (there === undefined) {
      if (options.create !== true) {
        throw new ArrayError('NOT_FOUND', `pool ${cluster.place} holds no repository yet`);
      }
      const args = ['create', cluster.spec(MARKER), '--size', `${SIZE_GRANULARITY}B`];
      await ignoring(['ALREADY_EXISTS_DIFFERENT'], () =>
        cluster.rbd(args, { what: `mark pool ${cluster.place}`, mutating: true }),
      );
      await images.setMeta(MARKER, KEY.repository, owner.repositoryId);
    }
    const ownership = new Ownership(cluster, images, owner);
    await ownership.#attach(marker, options.takeOver === true);
    return ownership;
  }

  /** @param meta of the marker, as it was a moment ago: `check` looks at what came of it */
  async #attach(meta: ReadonlyMap<string, string>, takeOver: boolean): Promise<void> {
    const before = meta.get(KEY.owner);
    const other = before !== undefined && before !== this.#owner.server;
    if (other && !takeOver) {
      const message = `pool ${this.#cluster.place} is attached to ${before}`;
      throw new ArrayError('EXCLUSIVE_ATTACHED', message, { refs: [before] });
    }
    this.#epoch = Number(meta.get(KEY.epoch) ?? 0) + (other ? 1 : 0);
    if (other) {
      await this.#images.setMeta(MARKER, KEY.epoch, String(this.#epoch));
      // The other server looks at the epoch when it has opened anything more; what it has open is cut off. The pool is
      // ours only then: should we die before, whoever takes over begins anew.
      await this.#cutOffAll();
    }
    await this.#images.setMeta(MARKER, KEY.owner, this.#owner.server);
    await this.check();
  }

  async #cutOffAll(): Promise<void> {
    const watchers = new Set<string>();
    for (const name of await this.#images.names()) {
      await ignoring(['NOT_FOUND'], async () => {
        for (const watcher of await this.#images.watchers(name)) watchers.add(watcher);
      });
    }
    await this.#cluster.block([...watchers], FENCE_SECONDS);
  }

  /** @throws ArrayError FENCED: another server has taken over */
  async check(): Promise<void> {
    const meta = await this.#images.meta(MARKER);
    const epoch = Number(meta.get(KEY.epoch) ?? 0);
    const { repositoryId, server } = this.#owner;
    const ours = meta.get(KEY.repository) === repositoryId && meta.get(KEY.owner) === server;
    if (ours && epoch === this.#epoch) return;
    throw new ArrayError('FENCED', `another server has taken over pool ${this.#cluster.place}`);
  }

  /** Another server may attach it now. The cluster's guard has checked that it is ours before (`Cluster.guardWith`). */
  async release(): Promise<void> {
    await this.#images.removeMeta(MARKER, KEY.owner);
  }
}

/** Nothing: nobody has marked the pool. */
async function markerOf(images: Images): Promise<ReadonlyMap<string, string>> {
  try {
    return await images.meta(MARKER);
  } catch (error) {
    if (error instanceof ArrayError && error.code === 'NOT_FOUND') return new Map();
    throw error;
  }
}
