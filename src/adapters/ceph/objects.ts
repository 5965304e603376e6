/** From what `rbd` shows to what the control port answers. Images and snapshots are named by their ids. */
import type {
  ArrayRef,
  ArraySnapshot,
  ArrayVolume,
  VolumeLocator,
} from '../../repositories/index.ts';
import type { Image, ImageSnapshot, Images } from './images.ts';
import { META } from './names.ts';
import { CEPH_ADAPTER } from './settings.ts';

export function volumeRef(image: { readonly name: string; readonly id: string }): ArrayRef {
  return { kind: 'volume', nativeId: image.id, name: image.name };
}

/** Snapshot ids are unique in a pool and never used again. */
export function snapshotRef(
  image: { readonly name: string; readonly id: string },
  snapshot: { readonly name: string; readonly id: number },
): ArrayRef {
  return {
    kind: 'snapshot',
    nativeId: `${image.id}@${snapshot.id}`,
    name: `${image.name}@${snapshot.name}`,
  };
}

/** Of a volume's ref, or of the image that a snapshot's ref is of. */
export function imageIdOf(ref: ArrayRef): string {
  return ref.nativeId.split('@')[0] ?? '';
}

/** The snapshot's id in a ref; NaN, which no snapshot has, for anything else. */
export function snapshotIdOf(ref: ArrayRef): number {
  return ref.kind === 'snapshot' ? Number(ref.nativeId.split('@')[1] ?? Number.NaN) : Number.NaN;
}

export class Objects {
  readonly #images: Images;
  readonly #repositoryId: string;

  constructor(images: Images, repositoryId: string) {
    this.#images = images;
    this.#repositoryId = repositoryId;
  }

  async volume(image: Image): Promise<ArrayVolume> {
    return this.volumeOf(image, this.#images.meta(image.name));
  }

  /** @param told what is known of it, so that it is not asked */
  async volumeOf(
    image: Image,
    told: ReadonlyMap<string, string> | Promise<ReadonlyMap<string, string>>,
    known: { readonly empty?: boolean } = {},
  ): Promise<ArrayVolume> {
    const [meta, allocated, parent] = await Promise.all([
      told,
      known.empty === true && image.fastDiff ? 0 : this.#images.allocated(image),
      this.#parentOf(image),
    ]);
    return {
      ref: volumeRef(image),
      tag: meta.get(META.tag),
      size: image.size,
      allocated,
      thin: meta.get(META.thin) !== 'no',
      wwid: undefined, // its data path has no disk identity; the image's id, which is never used again, is checked
      parent,
      locator: this.#locator(image, { image: image.id }),
    };
  }

  snapshot(
    image: Image,
    snapshot: ImageSnapshot,
    meta: ReadonlyMap<string, string>,
  ): ArraySnapshot {
    return {
      ref: snapshotRef(image, snapshot),
      tag: meta.get(META.snapshot + String(snapshot.id)),
      volume: volumeRef(image),
      createdAt: snapshot.createdAt,
      size: snapshot.size,
      unique: undefined,
      locator: this.#locator(image, { image: image.id, snapshot: snapshot.id }),
    };
  }

  #locator(image: Image, address: VolumeLocator['address']): VolumeLocator {
    const repository = this.#repositoryId;
    return { adapter: CEPH_ADAPTER, repository, volume: image.name, address };
  }

  /** The snapshot that a clone depends on; the image, when the snapshot lives on for the clone only. */
  async #parentOf({ parent }: Image): Promise<ArrayRef | undefined> {
    if (parent === undefined) return undefined;
    const image = { name: parent.image, id: parent.imageId };
    if (parent.trashed) return volumeRef(image);
    const snapshots = await this.#images.userSnapshots(parent.image);
    const snapshot = snapshots.find(({ name }) => name === parent.snapshot);
    return snapshot === undefined ? volumeRef(image) : snapshotRef(image, snapshot);
  }
}
