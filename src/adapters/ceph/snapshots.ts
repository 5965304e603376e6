/** Snapshots of images: trees, reverting, differences. */
import type { KeyedMutex } from '../../base/index.ts';
import type { Extent } from '../../block/index.ts';
import { ArrayError } from '../../errors/index.ts';
import type {
  ArrayRef,
  ArraySnapshot,
  ArrayVolume,
  CallOptions,
  Mutation,
  Page,
  SnapshotControl,
} from '../../repositories/index.ts';
import type { Cluster } from './cluster.ts';
import { Differences } from './differences.ts';
import { type Image, type ImageSnapshot, type Images, ignoring } from './images.ts';
import { PAGE_ITEMS, SNAPSHOTS_PER_VOLUME } from './limits.ts';
import { checkName, META, objectName, tagSuffix } from './names.ts';
import { imageIdOf, type Objects, snapshotIdOf } from './objects.ts';
import type { TagIndex } from './tag-index.ts';
import { afterOf, CURSOR, type Volumes } from './volumes.ts';

export interface SnapshotParts {
  readonly cluster: Cluster;
  readonly images: Images;
  readonly objects: Objects;
  readonly index: TagIndex;
  readonly volumes: Volumes;
  readonly turns: KeyedMutex;
  readonly onResized: (imageId: string) => Promise<void>;
  /** This server has it open for somebody. */
  readonly isOpen: (imageId: string, snapshotId: number) => boolean;
}

export class Snapshots implements SnapshotControl {
  /** `rbd diff` up to the head lists objects as they are in the cluster: what its writer has flushed is there. */
  readonly diffsVolumes = true;
  readonly #parts: SnapshotParts;
  readonly #cluster: Cluster;
  readonly #images: Images;
  readonly #objects: Objects;
  readonly #differences: Differences;

  constructor(parts: SnapshotParts) {
    this.#parts = parts;
    this.#cluster = parts.cluster;
    this.#images = parts.images;
    this.#objects = parts.objects;
    this.#differences = new Differences(parts.cluster);
  }

  /**
   * RBD has group snapshots, but in the versions that we drive (16.2) their members can neither be opened, cloned nor
   * compared: they can only be rolled back to. So one volume a call.
   */
  async createSnapshots(
    request: Parameters<SnapshotControl['createSnapshots']>[0],
    options?: CallOptions,
  ): Promise<readonly ArraySnapshot[]> {
    const [wanted, ...more] = request.of;
    if (wanted === undefined) return [];
    if (more.length > 0) {
      throw new ArrayError('UNSUPPORTED', 'RBD takes a snapshot of one image at a time');
    }
    checkName(wanted.name);
    const { tag } = wanted;
    return this.#parts.turns.run(`snapshot ${tag}`, async () => {
      const [image, there] = await Promise.all([
        this.#images.ofRef(wanted.volume),
        this.#lookFor(tag),
      ]);
      if (there.snapshot !== undefined) return [await this.#same(there.snapshot, image)];
      let snapshot = await this.#begun(image, tag, there.isIndexed);
      await this.#parts.index.set('snapshot', tag, image.id);
      snapshot ??= await this.#take(image, objectName(wanted.name, tag), options);
      await this.#images.setMeta(image.name, META.snapshot + String(snapshot.id), tag);
      return [
        this.#objects.snapshot(
          image,
          snapshot,
          new Map([[META.snapshot + String(snapshot.id), tag]]),
        ),
      ];
    });
  }

  /**
   * One that was taken by an attempt that died, and has no tag yet. Its tag was in the index before it was taken: when
   * it is not, there is none, and its image has fewer snapshots than it may have, they need not be listed.
   */
  async #begun(image: Image, tag: string, isIndexed: boolean): Promise<ImageSnapshot | undefined> {
    const { snapshotCount: count = Number.POSITIVE_INFINITY } = image;
    if (!isIndexed && count < SNAPSHOTS_PER_VOLUME) return undefined;
    const snapshots = await this.#images.userSnapshots(image.name);
    const begun = snapshots.find(({ name }) => name.endsWith(tagSuffix(tag)));
    if (begun !== undefined || snapshots.length < SNAPSHOTS_PER_VOLUME) return begun;
    const message = `volume ${image.name} has ${snapshots.length} snapshots already`;
    throw new ArrayError('LIMIT_REACHED', message, { expected: `${SNAPSHOTS_PER_VOLUME}` });
  }

  async #take(image: Image, name: string, options?: CallOptions): Promise<ImageSnapshot> {
    const args = ['snap', 'create', '--no-progress', this.#cluster.spec(image.name, name)];
    const call = { what: `take a snapshot of ${image.name}`, mutating: true };
    await this.#cluster.rbd(args, { ...call, ...options });
    const made = (await this.#images.userSnapshots(image.name)).find((each) => each.name === name);
    if (made !== undefined) return made;
    throw new ArrayError('UNKNOWN_OUTCOME', `snapshot ${name} was taken, and is not there`);
  }

  async #same(there: ArraySnapshot, image: Image): Promise<ArraySnapshot> {
    if (there.volume.nativeId === image.id) return there;
    const message = `the tag is that of snapshot ${there.ref.name}, of another volume`;
    throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message, { refs: [there.ref.name] });
  }

  async deleteSnapshot(
    request: Mutation & { readonly ref: ArrayRef },
    options?: CallOptions,
  ): Promise<void> {
    const found = await this.#find(request.ref);
    if (found === undefined) return;
    const { image, snapshot } = found;
    const spec = this.#cluster.spec(image.name, snapshot.name);
    const [children, meta] = await Promise.all([
      this.#images.children(image.name, snapshot.id),
      this.#images.meta(image.name),
    ]);
    if (children.length > 0) {
      const refs = children.map((child) => `${child.place}/${child.image}`);
      throw new ArrayError('HAS_DEPENDENTS', `snapshot ${spec} has clones`, { refs });
    }
    if (this.#parts.isOpen(image.id, snapshot.id)) {
      throw new ArrayError('IN_USE', `snapshot ${spec} is open`, { refs: [spec] });
    }
    const key = META.snapshot + String(snapshot.id);
    const tag = meta.get(key);
    const call = { what: `delete snapshot ${spec}`, mutating: true, long: true };
    await ignoring(['NOT_FOUND'], () =>
      this.#cluster.rbd(['snap', 'rm', '--no-progress', spec], { ...call, ...options }),
    );
    if (tag === undefined) return;
    await Promise.all([
      this.#images.removeMeta(image.name, key),
      this.#parts.index.remove('snapshot', tag),
    ]);
  }

  async findSnapshot(
    by: { readonly ref: ArrayRef } | { readonly tag: string },
  ): Promise<ArraySnapshot | undefined> {
    if ('tag' in by) return (await this.#lookFor(by.tag)).snapshot;
    const image = await this.#imageOf(by.ref);
    if (image === undefined) return undefined;
    const [snapshot, meta] = await Promise.all([
      this.#inImage(image, by.ref),
      this.#images.meta(image.name),
    ]);
    return snapshot === undefined ? undefined : this.#objects.snapshot(image, snapshot, meta);
  }

  async #lookFor(
    tag: string,
  ): Promise<{ readonly snapshot: ArraySnapshot | undefined; readonly isIndexed: boolean }> {
    const id = await this.#parts.index.get('snapshot', tag);
    const image = id === undefined ? undefined : await this.#images.byId(id);
    const snapshot = image === undefined ? undefined : await this.#tagged(image, tag);
    return { snapshot, isIndexed: id !== undefined };
  }

  async #tagged(image: Image, tag: string): Promise<ArraySnapshot | undefined> {
    const [meta, snapshots] = await Promise.all([
      this.#images.meta(image.name),
      this.#images.userSnapshots(image.name),
    ]);
    // The tag of one that is gone may have stayed behind.
    const snapshot = snapshots.find(
      ({ id: each }) => meta.get(META.snapshot + String(each)) === tag,
    );
    return snapshot === undefined ? undefined : this.#objects.snapshot(image, snapshot, meta);
  }

  /** By its id, under whatever name. */
  async #find(
    ref: ArrayRef,
  ): Promise<{ readonly image: Image; readonly snapshot: ImageSnapshot } | undefined> {
    const image = await this.#imageOf(ref);
    const snapshot = image === undefined ? undefined : await this.#inImage(image, ref);
    return image === undefined || snapshot === undefined ? undefined : { image, snapshot };
  }

  #imageOf(ref: ArrayRef): Promise<Image | undefined> {
    return this.#images.byId(imageIdOf(ref));
  }

  async #inImage(image: Image, ref: ArrayRef): Promise<ImageSnapshot | undefined> {
    const id = snapshotIdOf(ref);
    return (await this.#images.userSnapshots(image.name)).find((each) => each.id === id);
  }

  /** A page is the snapshots of one volume or, of all, those of the next volumes. */
  async listSnapshots(query: {
    readonly volume?: ArrayRef;
    readonly cursor?: string;
  }): Promise<Page<ArraySnapshot>> {
    const after = query.cursor === undefined ? '' : afterOf(query.cursor);
    if (query.volume !== undefined) {
      const image = await this.#images.byId(query.volume.nativeId);
      return { items: image === undefined ? [] : await this.#of(image), cursor: undefined };
    }
    const items: ArraySnapshot[] = [];
    const names = (await this.#images.names()).filter((name) => name > after);
    for (const [index, name] of names.entries()) {
      const image = await this.#images.byName(name);
      if (image !== undefined) items.push(...(await this.#of(image)));
      const more = items.length >= PAGE_ITEMS && index + 1 < names.length;
      if (more) return { items, cursor: CURSOR + name };
    }
    return { items, cursor: undefined };
  }

  async #of(image: Image): Promise<readonly ArraySnapshot[]> {
    const snapshots = await this.#images.userSnapshots(image.name);
    if (snapshots.length === 0) return [];
    const meta = await this.#images.meta(image.name);
    return snapshots.map((snapshot) => this.#objects.snapshot(image, snapshot, meta));
  }

  /**
   * librbd rolls back under the hands of whoever has the image open (the lock is handed over), so watchers are
   * refused here. The same wish again is not done twice: what was written since would be lost.
   */
  async revert(
    request: Mutation & { readonly volume: ArrayRef; readonly snapshot: ArrayRef },
    options?: CallOptions,
  ): Promise<ArrayVolume> {
    return this.#parts.turns.run(request.volume.nativeId, async () => {
      const image = await this.#images.ofRef(request.volume);
      const isOurs = imageIdOf(request.snapshot) === image.id;
      const snapshot = isOurs
        ? await this.#inImage(image, request.snapshot)
        : (await this.#find(request.snapshot))?.snapshot;
      if (snapshot === undefined) {
        throw new ArrayError('NOT_FOUND', `there is no snapshot ${request.snapshot.name}`);
      }
      if (!isOurs) {
        const message = `${request.snapshot.name} is not a snapshot of ${image.name}`;
        throw new ArrayError('INVALID_ARGUMENT', message, { field: 'snapshot' });
      }
      if ((await this.#images.meta(image.name)).get(META.reverted) !== request.opId) {
        await this.#parts.volumes.refuseWatchers(image, 'revert');
        const args = ['snap', 'rollback', this.#cluster.spec(image.name, snapshot.name)];
        const call = { what: `revert ${image.name}`, mutating: true, long: true };
        await this.#cluster.rbd(args, { ...call, ...options });
        await this.#images.setMeta(image.name, META.reverted, request.opId);
      }
      await this.#parts.onResized(image.id);
      return this.#objects.volume(await this.#images.ofRef(request.volume));
    });
  }

  async diff(range: {
    readonly from: ArrayRef | undefined;
    readonly to: ArrayRef;
    readonly offset: number;
    readonly length: number;
    readonly limit: number;
  }): Promise<readonly Extent[]> {
    const image = await this.#images.ofRef(range.to);
    const to = range.to.kind === 'snapshot' ? await this.#find(range.to) : undefined;
    const from = range.from === undefined ? undefined : await this.#find(range.from);
    if (range.to.kind === 'snapshot' && to === undefined) {
      throw new ArrayError('NOT_FOUND', `there is no snapshot ${range.to.name}`);
    }
    if (range.from !== undefined) {
      if (from === undefined) {
        throw new ArrayError('NOT_FOUND', `there is no snapshot ${range.from.name}`);
      }
      const older = to === undefined || from.snapshot.id <= to.snapshot.id;
      if (from.image.id !== image.id || !older) {
        const message = `${range.from.name} is no earlier snapshot of ${image.name}`;
        throw new ArrayError('CBT_UNAVAILABLE', message);
      }
    }
    return this.#differences.of(image, from?.snapshot, to?.snapshot, range);
  }
}
