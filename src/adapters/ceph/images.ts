/** The images and snapshots of a pool, as `rbd` shows and changes them. Names are looked up by id first. */
import { ArrayError } from '../../errors/index.ts';
import type { ArrayRef } from '../../repositories/index.ts';
import type { Cluster } from './cluster.ts';
import { WATCHER_LOOK_MS, WATCHER_LOOKS } from './limits.ts';
import { isVolumeName, META } from './names.ts';
import { asList, asShape, count, optionalText, type Shape, shapesOf, text } from './shape.ts';

export interface ImageParent {
  readonly image: string;
  readonly imageId: string;
  readonly snapshot: string;
  /** The snapshot was deleted by its name, and lives on for this clone. */
  readonly trashed: boolean;
  readonly pool: string;
  readonly namespace: string;
}

export interface Image {
  readonly name: string;
  readonly id: string;
  readonly size: number;
  readonly parent: ImageParent | undefined;
  /** Its differences and its usage are known without reading it. */
  readonly fastDiff: boolean;
  /** Of all namespaces. undefined: this version of `rbd` does not say. */
  readonly snapshotCount: number | undefined;
  /** This side of a mirrored image: `true` may be written. undefined: not mirrored. */
  readonly primary: boolean | undefined;
  /** Enabling or disabling it was begun, and did not come to its end. */
  readonly halfMirrored: boolean;
}

export interface ImageSnapshot {
  readonly name: string;
  readonly id: number;
  readonly size: number;
  readonly createdAt: number;
  /** user, trash, group, mirror. */
  readonly namespace: string;
}

export interface Child {
  readonly place: string;
  readonly image: string;
}

export class Images {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Names of volumes, sorted. */
  async names(): Promise<readonly string[]> {
    return (await this.allNames()).filter(isVolumeName).sort();
  }

  /** The marker's too, and of what is unfinished. */
  async allNames(): Promise<readonly string[]> {
    const call = { what: 'list the images' };
    const all = asList(await this.#cluster.rbdJson(['ls', this.#cluster.place], call), call.what);
    return all.map(String);
  }

  /** undefined: no such image. */
  async byName(name: string): Promise<Image | undefined> {
    const call = { what: `show image ${name}` };
    return this.#shown(() => this.#cluster.rbdJson(['info', this.#cluster.spec(name)], call));
  }

  async byId(id: string): Promise<Image | undefined> {
    if (!/^[0-9a-zA-Z]{1,64}$/.test(id)) return undefined;
    const { namespace } = this.#cluster.settings;
    const place = ['--pool', this.#cluster.pool, ...(namespace ? ['--namespace', namespace] : [])];
    const call = { what: `show the image of id ${id}` };
    const shown = await this.#shown(() =>
      this.#cluster.rbdJson(['info', ...place, '--image-id', id], call),
    );
    return shown?.name === '' ? undefined : shown;
  }

  /** @throws ArrayError NOT_FOUND */
  async ofRef(ref: ArrayRef): Promise<Image> {
    const [id = ''] = ref.nativeId.split('@');
    const image = await this.byId(id);
    if (image !== undefined) return image;
    throw new ArrayError('NOT_FOUND', `there is no image of id ${id} (${ref.name})`);
  }

  async meta(name: string): Promise<ReadonlyMap<string, string>> {
    const call = { what: `read the metadata of ${name}` };
    const args = ['image-meta', 'list', this.#cluster.spec(name)];
    const printed = await this.#cluster.rbd([...args, '--format', 'json'], call);
    if (printed.trim() === '') return new Map(); // nothing is printed when there is none
    const shape = asShape(JSON.parse(printed) as unknown, call.what);
    return new Map(Object.entries(shape).map(([key, value]) => [key, String(value)]));
  }

  async setMeta(name: string, key: string, value: string): Promise<void> {
    const args = ['image-meta', 'set', this.#cluster.spec(name), key, value];
    await this.#cluster.rbd(args, { what: `tag ${name}`, mutating: true });
  }

  async removeMeta(name: string, key: string): Promise<void> {
    const args = ['image-meta', 'remove', this.#cluster.spec(name), key];
    const call = { what: `untag ${name}`, mutating: true };
    await ignoring(['NOT_FOUND'], () => this.#cluster.rbd(args, call));
  }

  /**
   * A clone or copy has its source's metadata: none of ours may stay. The tags of its snapshots may: they go by ids that
   * this image has not, and there can be hundreds. So may its tag, which is replaced next.
   */
  async forgetSource(name: string): Promise<void> {
    for (const key of (await this.meta(name)).keys()) {
      if (!key.startsWith(META.all) || key.startsWith(META.snapshot) || key === META.tag) continue;
      await this.removeMeta(name, key);
    }
  }

  /** Nothing of ours is left on it. */
  async forgetAll(name: string): Promise<void> {
    for (const key of (await this.meta(name)).keys()) {
      if (key.startsWith(META.all)) await this.removeMeta(name, key);
    }
  }

  /** Of all namespaces. */
  async snapshots(name: string): Promise<readonly ImageSnapshot[]> {
    const call = { what: `list the snapshots of ${name}` };
    const args = ['snap', 'ls', '--all', this.#cluster.spec(name)];
    return shapesOf(await this.#cluster.rbdJson(args, call), call.what).map(snapshotOf);
  }

  /** The same, asked only if there are any. */
  async snapshotsOf({ name, snapshotCount }: Image): Promise<readonly ImageSnapshot[]> {
    return snapshotCount === 0 ? [] : await this.snapshots(name);
  }

  /** Those that people see. */
  async userSnapshots(name: string): Promise<readonly ImageSnapshot[]> {
    return (await this.snapshots(name)).filter(({ namespace }) => namespace === 'user');
  }

  /** Clones of one snapshot, or of any of the image's, deleted ones too. */
  async children(name: string, snapshotId?: number): Promise<readonly Child[]> {
    const call = { what: `list the clones of ${name}` };
    const which = snapshotId === undefined ? [] : ['--snap-id', String(snapshotId)];
    const args = ['children', '--all', this.#cluster.spec(name), ...which];
    return shapesOf(await this.#cluster.rbdJson(args, call), call.what).map((shape) => {
      const namespace = optionalText(shape, 'pool_namespace') ?? '';
      const pool = text(shape, 'pool');
      return {
        place: namespace === '' ? pool : `${pool}/${namespace}`,
        image: text(shape, 'image'),
      };
    });
  }

  /**
   * Addresses of the clients that have it open and keep it open. Every `rbd` command that looks at an image is a watcher
   * for a moment, ours too: only those count that are seen again and again.
   */
  async holders(name: string): Promise<readonly string[]> {
    let holders = await this.watchers(name);
    for (let look = 1; look < WATCHER_LOOKS && holders.length > 0; look += 1) {
      await new Promise((resolve) => setTimeout(resolve, WATCHER_LOOK_MS));
      const now = await this.watchers(name);
      holders = holders.filter((each) => now.includes(each));
    }
    return holders;
  }

  /** Addresses of the clients that have it open for writing at this moment. */
  async watchers(name: string): Promise<readonly string[]> {
    const call = { what: `ask who has ${name} open` };
    const status = asShape(
      await this.#cluster.rbdJson(['status', this.#cluster.spec(name)], call),
      call.what,
    );
    return shapesOf(status['watchers'], call.what).map((watcher) => text(watcher, 'address'));
  }

  /** Bytes that it and its snapshots occupy; undefined: only reading all of it would tell. */
  async allocated({ name, fastDiff }: Image): Promise<number | undefined> {
    if (!fastDiff) return undefined;
    const call = { what: `measure ${name}` };
    const args = ['du', this.#cluster.spec(name)];
    const usage = asShape(await this.#cluster.rbdJson(args, call), call.what);
    const images = shapesOf(usage['images'], call.what);
    return images.reduce((sum, image) => sum + count(image, 'used_size'), 0);
  }

  async #shown(ask: () => Promise<unknown>): Promise<Image | undefined> {
    try {
      return imageOf(asShape(await ask(), 'an image'));
    } catch (error) {
      if (error instanceof ArrayError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }
}

/** Runs it; an error of one of these codes is no error. */
export async function ignoring(
  codes: readonly ArrayError['code'][],
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ArrayError) || !codes.includes(error.code)) throw error;
  }
}

function imageOf(shape: Shape): Image {
  const parent = shape['parent'];
  const mirroring = shape['mirroring'];
  const snapshots = shape['snapshot_count'];
  const { primary, state } = asShape(mirroring ?? {}, 'mirroring');
  return {
    name: text(shape, 'name'),
    id: text(shape, 'id'),
    size: count(shape, 'size'),
    snapshotCount: typeof snapshots === 'number' ? snapshots : undefined,
    fastDiff: asList(shape['features'], 'features').includes('fast-diff'),
    parent: parent === undefined ? undefined : parentOf(asShape(parent, 'parent')),
    primary: typeof primary === 'boolean' ? primary : undefined,
    halfMirrored: typeof primary === 'boolean' && state !== 'enabled',
  };
}

function parentOf(shape: Shape): ImageParent {
  return {
    image: text(shape, 'image'),
    imageId: optionalText(shape, 'id') ?? '',
    snapshot: text(shape, 'snapshot'),
    trashed: shape['trash'] === true,
    pool: text(shape, 'pool'),
    namespace: optionalText(shape, 'pool_namespace') ?? '',
  };
}

function snapshotOf(shape: Shape): ImageSnapshot {
  const namespace = shape['namespace'];
  const said = optionalText(shape, 'timestamp') ?? '';
  const createdAt = Date.parse(`${said} UTC`); // the programs run in UTC, and do not say so
  return {
    name: text(shape, 'name'),
    id: count(shape, 'id'),
    size: count(shape, 'size'),
    createdAt: Number.isNaN(createdAt) ? 0 : createdAt,
    namespace: namespace === undefined ? 'user' : text(asShape(namespace, 'a snapshot'), 'type'),
  };
}
