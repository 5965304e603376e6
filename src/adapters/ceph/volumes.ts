/** The core of the control port: images as volumes. */
import { forEachOf, type KeyedMutex } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import type {
  ArrayRef,
  ArrayVolume,
  CallOptions,
  CreateVolume,
  Mutation,
  Page,
} from '../../repositories/index.ts';
import type { Cluster } from './cluster.ts';
import { type Image, type Images, ignoring } from './images.ts';
import { CALLS_AT_ONCE, PAGE_ITEMS, SIZE_GRANULARITY, SIZE_MAXIMUM } from './limits.ts';
import { type Maker, metaOf } from './making.ts';
import { checkName, isVolumeName, MARKER, META, tagSuffix } from './names.ts';
import type { Objects } from './objects.ts';
import type { TagIndex } from './tag-index.ts';

export interface VolumeParts {
  readonly cluster: Cluster;
  readonly images: Images;
  readonly objects: Objects;
  readonly maker: Maker;
  readonly turns: KeyedMutex;
  readonly index: TagIndex;
  /** Its size is another one: who opens it from now on sees that. */
  readonly onResized: (imageId: string) => Promise<void>;
}

interface Tagged {
  readonly image: Image;
  readonly meta: ReadonlyMap<string, string>;
}

export class Volumes {
  readonly #cluster: Cluster;
  readonly #images: Images;
  readonly #objects: Objects;
  readonly #maker: Maker;
  readonly #turns: KeyedMutex;
  readonly #onResized: VolumeParts['onResized'];
  readonly #index: TagIndex;

  constructor(parts: VolumeParts) {
    this.#cluster = parts.cluster;
    this.#images = parts.images;
    this.#objects = parts.objects;
    this.#maker = parts.maker;
    this.#turns = parts.turns;
    this.#onResized = parts.onResized;
    this.#index = parts.index;
  }

  async create(request: CreateVolume, options?: CallOptions): Promise<ArrayVolume> {
    const size = roundedSize(request.size);
    checkName(request.name);
    const { tag, name, thin } = request;
    const make = async (part: string): Promise<void> => {
      const thick = thin ? [] : ['--thick-provision'];
      const args = ['create', this.#cluster.spec(part), '--size', `${size}B`, ...thick];
      const call = { what: `create volume ${name}`, mutating: true, long: !thin };
      await this.#cluster.rbd(args, { ...call, ...options });
    };
    const find = (names: readonly string[]): Promise<Image | undefined> => this.byTag(tag, names);
    const wanted = { tag, name, thin, copied: false, find, make };
    const { image, fresh } = await this.#maker.make(wanted, options);
    if (!fresh) return this.#same(image, request, size);
    return this.#objects.volumeOf(image, metaOf(wanted), { empty: thin });
  }

  async #same(image: Image, request: CreateVolume, size: number): Promise<ArrayVolume> {
    const volume = await this.#objects.volume(image);
    if (volume.size === size && volume.thin === request.thin) return volume;
    throw new ArrayError(
      'ALREADY_EXISTS_DIFFERENT',
      `volume ${image.name} exists with ${image.size} bytes, ${volume.thin ? 'thin' : 'thick'}`,
      { field: 'size', value: request.size },
    );
  }

  remove(request: Mutation & { readonly ref: ArrayRef }, options?: CallOptions): Promise<void> {
    return this.#turns.run(request.ref.nativeId, async () => {
      const image = await this.#images.byId(request.ref.nativeId);
      if (image === undefined) return this.#removeName(request.ref.name);
      await Promise.all([this.#refuseMapped(image), this.#refuseDependents(image)]);
      await this.refuseWatchers(image, 'delete');
      const call = { what: `delete volume ${image.name}`, mutating: true, long: true };
      await ignoring(['NOT_FOUND'], () =>
        this.#cluster.rbd(['rm', this.#cluster.spec(image.name)], { ...call, ...options }),
      );
    });
  }

  /** A deletion that died at its end leaves a name in the pool's list that nothing stands behind. */
  async #removeName(name: string): Promise<void> {
    if (!(await this.#images.names()).includes(name)) return;
    // It may be another image's by now.
    if ((await this.#images.byName(name)) !== undefined) return;
    const call = { what: `remove the name ${name}`, mutating: true };
    await ignoring(['NOT_FOUND'], () =>
      this.#cluster.rbd(['rm', '--no-progress', this.#cluster.spec(name)], call),
    );
  }

  async #refuseMapped({ name }: Image): Promise<void> {
    const keys = [...(await this.#images.meta(name)).keys()];
    const mappings = keys.filter((key) => key.startsWith(META.mapping));
    if (mappings.length === 0) return;
    const refs = mappings.map((key) => key.slice(META.mapping.length));
    throw new ArrayError('IN_USE', `volume ${name} is mapped to ${refs.join(', ')}`, { refs });
  }

  async #refuseDependents(image: Image): Promise<void> {
    const { name } = image;
    const all = await this.#images.snapshotsOf(image);
    const snapshots = all.filter(({ namespace }) => namespace === 'user');
    const clones = all.length === 0 ? [] : await this.#images.children(name);
    const groups = all.filter(({ namespace }) => namespace === 'group');
    const refs = [
      ...[...snapshots, ...groups].map((snapshot) => `${name}@${snapshot.name}`),
      ...clones.map(({ place, image }) => `${place}/${image}`),
    ];
    if (refs.length === 0) return;
    const many = `${snapshots.length} snapshots and ${clones.length} clones`;
    throw new ArrayError('HAS_DEPENDENTS', `volume ${name} has ${many}`, { refs });
  }

  /** @throws ArrayError IN_USE with the addresses */
  async refuseWatchers({ name }: Image, verb: string): Promise<void> {
    const refs = await this.#images.holders(name);
    if (refs.length === 0) return;
    throw new ArrayError('IN_USE', `cannot ${verb} volume ${name}: it is open`, { refs });
  }

  async resize(
    request: Mutation & { readonly ref: ArrayRef; readonly size: number },
    options?: CallOptions,
  ): Promise<ArrayVolume> {
    const size = roundedSize(request.size);
    return this.#turns.run(request.ref.nativeId, async () => {
      const image = await this.#images.ofRef(request.ref);
      if (image.size > size) {
        const message = `volume ${image.name} has ${image.size} bytes and is not made smaller`;
        throw new ArrayError('SHRINK_REFUSED', message, { field: 'size', value: request.size });
      }
      if (image.size < size) {
        const args = ['resize', '--no-progress', this.#cluster.spec(image.name)];
        const call = { what: `resize volume ${image.name}`, mutating: true };
        await this.#cluster.rbd([...args, '--size', `${size}B`], { ...call, ...options });
      }
      await this.#onResized(image.id);
      return this.#objects.volume({ ...image, size });
    });
  }

  async find(
    by: { readonly ref: ArrayRef } | { readonly tag: string },
  ): Promise<ArrayVolume | undefined> {
    if ('tag' in by) {
      const found = await this.#withTag(by.tag);
      return found === undefined ? undefined : this.#objects.volumeOf(found.image, found.meta);
    }
    const image = await this.#images.byId(by.ref.nativeId);
    return image === undefined || image.name === MARKER ? undefined : this.#objects.volume(image);
  }

  /** What we made has the tag's hash in its name; what was adopted stands in the index. */
  async byTag(tag: string, known?: readonly string[]): Promise<Image | undefined> {
    return (await this.#withTag(tag, known))?.image;
  }

  async #withTag(tag: string, known?: readonly string[]): Promise<Tagged | undefined> {
    const suffix = tagSuffix(tag);
    const [names, id] = await Promise.all([
      known ?? this.#images.allNames(),
      this.#index.get('volume', tag),
    ]);
    for (const name of names.filter((each) => isVolumeName(each) && each.endsWith(suffix))) {
      const meta = await this.#metaOf(name);
      if (meta.get(META.tag) !== tag) continue;
      const image = await this.#images.byName(name);
      return image === undefined ? undefined : { image, meta };
    }
    const image = id === undefined ? undefined : await this.#images.byId(id);
    if (image === undefined || image.name === MARKER) return undefined;
    const meta = await this.#metaOf(image.name);
    return meta.get(META.tag) === tag ? { image, meta } : undefined;
  }

  /** Nothing of one that is gone since. */
  async #metaOf(name: string): Promise<ReadonlyMap<string, string>> {
    try {
      return await this.#images.meta(name);
    } catch (error) {
      if (error instanceof ArrayError && error.code === 'NOT_FOUND') return new Map();
      throw error;
    }
  }

  /** By name; the cursor has the last name of the page before, so it never expires. */
  async list(query: {
    readonly ownedOnly: boolean;
    readonly cursor?: string;
  }): Promise<Page<ArrayVolume>> {
    const after = query.cursor === undefined ? '' : afterOf(query.cursor);
    const rest = (await this.#images.names()).filter((name) => name > after);
    const page = rest.slice(0, PAGE_ITEMS);
    const found = new Map<string, ArrayVolume>();
    await forEachOf(page, CALLS_AT_ONCE, async (name) => {
      // It may be gone since.
      await ignoring(['NOT_FOUND'], async () => {
        const meta = await this.#images.meta(name);
        if (query.ownedOnly && !meta.has(META.tag)) return;
        const image = await this.#images.byName(name);
        if (image !== undefined) found.set(name, await this.#objects.volumeOf(image, meta));
      });
    });
    const last = page.at(-1);
    const more = rest.length > page.length && last !== undefined;
    return {
      items: page.flatMap((name) => found.get(name) ?? []),
      cursor: more ? CURSOR + last : undefined,
    };
  }

  adopt(
    request: Mutation & { readonly ref: ArrayRef; readonly tag: string },
  ): Promise<ArrayVolume> {
    return this.#turns.run(request.ref.nativeId, async () => {
      const image = await this.#images.ofRef(request.ref);
      const { tag } = request;
      const now = (await this.#images.meta(image.name)).get(META.tag);
      if (now !== undefined && now !== tag) {
        throw new ArrayError('ALREADY_MANAGED', `volume ${image.name} is managed already`, {
          value: now,
        });
      }
      await this.#index.set('volume', tag, image.id);
      if (now === undefined) await this.#images.setMeta(image.name, META.tag, tag);
      return this.#objects.volume(image);
    });
  }

  release(request: Mutation & { readonly ref: ArrayRef }): Promise<void> {
    return this.#turns.run(request.ref.nativeId, async () => {
      const image = await this.#images.byId(request.ref.nativeId);
      if (image === undefined) return;
      await this.#images.forgetAll(image.name);
    });
  }
}

export const CURSOR = 'after:';

/** @throws ArrayError CURSOR_EXPIRED: it is none of ours */
export function afterOf(cursor: string): string {
  if (cursor.startsWith(CURSOR)) return cursor.slice(CURSOR.length);
  throw new ArrayError('CURSOR_EXPIRED', 'this cursor was never given', { value: cursor });
}

/** Up to whole sectors. @throws ArrayError OUT_OF_RANGE, INVALID_ARGUMENT */
export function roundedSize(size: number): number {
  if (!Number.isSafeInteger(size) || size < 1) {
    throw new ArrayError('INVALID_ARGUMENT', `a volume cannot have ${size} bytes`, {
      field: 'size',
      value: size,
    });
  }
  const rounded = Math.ceil(size / SIZE_GRANULARITY) * SIZE_GRANULARITY;
  if (rounded <= SIZE_MAXIMUM) return rounded;
  throw new ArrayError('OUT_OF_RANGE', `${size} bytes are too many for a volume`, {
    field: 'size',
    value: size,
    expected: `at most ${SIZE_MAXIMUM}`,
  });
}
