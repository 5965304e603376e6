/** Clones (format 2): linked ones share their source's blocks, full ones are copies. */
import type { KeyedMutex } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import type {
  ArrayRef,
  ArrayVolume,
  CallOptions,
  CloneControl,
  Mutation,
} from '../../repositories/index.ts';
import type { Cluster } from './cluster.ts';
import { type Image, type Images, ignoring } from './images.ts';
import { type Maker, metaOf } from './making.ts';
import { checkName, tagSuffix } from './names.ts';
import { type Objects, snapshotIdOf } from './objects.ts';
import { roundedSize, type Volumes } from './volumes.ts';

type CloneRequest = Parameters<CloneControl['clone']>[0];

export interface CloneParts {
  readonly cluster: Cluster;
  readonly images: Images;
  readonly objects: Objects;
  readonly maker: Maker;
  readonly volumes: Volumes;
  readonly turns: KeyedMutex;
}

export class Clones implements CloneControl {
  readonly #parts: CloneParts;
  readonly #cluster: Cluster;
  readonly #images: Images;

  constructor(parts: CloneParts) {
    this.#parts = parts;
    this.#cluster = parts.cluster;
    this.#images = parts.images;
  }

  async clone(request: CloneRequest, options?: CallOptions): Promise<ArrayVolume> {
    checkName(request.name);
    const size = request.size === undefined ? undefined : roundedSize(request.size);
    const { tag, name } = request;
    const { image, fresh } = await this.#parts.maker.make(
      {
        ...{ tag, name, thin: true, copied: true },
        find: (names) => this.#parts.volumes.byTag(tag, names),
        make: async (part) => {
          const source = await this.#images.ofRef(request.source);
          if (request.kind === 'linked') await this.#checkDepth(source);
          await this.#fromSource(source, request, size, part, options);
        },
      },
      options,
    );
    if (!fresh) return this.#same(image, size);
    // Of a copy nobody knows how much of its source was written.
    const known = { empty: request.kind === 'linked' };
    return this.#parts.objects.volumeOf(image, metaOf({ tag, thin: true }), known);
  }

  async #same(image: Image, size: number | undefined): Promise<ArrayVolume> {
    if (size === undefined || size === image.size) return this.#parts.objects.volume(image);
    const message = `volume ${image.name} exists with ${image.size} bytes`;
    throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message, { field: 'size', value: size });
  }

  /** A volume is cloned from a snapshot that is taken for it, and deleted by its name at once. */
  async #fromSource(
    source: Image,
    request: CloneRequest,
    size: number | undefined,
    part: string,
    options?: CallOptions,
  ): Promise<void> {
    if (request.source.kind === 'snapshot') {
      const id = snapshotIdOf(request.source);
      const found = (await this.#images.userSnapshots(source.name)).find((each) => each.id === id);
      if (found === undefined) {
        throw new ArrayError('NOT_FOUND', `there is no snapshot ${request.source.name}`);
      }
      return this.#copy(source, found.name, found.size, request, size, part, options);
    }
    const passing = `rootcast-clone${tagSuffix(request.tag)}`;
    const spec = this.#cluster.spec(source.name, passing);
    const drop = { what: `delete snapshot ${spec}`, mutating: true };
    const dropIt = (): Promise<void> =>
      ignoring(['NOT_FOUND'], () => this.#cluster.rbd(['snap', 'rm', '--no-progress', spec], drop));
    await dropIt(); // of an attempt that died
    const take = { what: `take a snapshot of ${source.name}`, mutating: true };
    await this.#cluster.rbd(['snap', 'create', '--no-progress', spec], { ...take, ...options });
    try {
      await this.#copy(source, passing, source.size, request, size, part, options);
    } finally {
      await dropIt();
    }
  }

  async #copy(
    source: Image,
    snapshot: string,
    sourceSize: number,
    request: CloneRequest,
    size: number | undefined,
    part: string,
    options?: CallOptions,
  ): Promise<void> {
    if (size !== undefined && size < sourceSize) {
      const message = `a clone of ${sourceSize} bytes is not made smaller`;
      throw new ArrayError('SHRINK_REFUSED', message, { field: 'size', value: request.size });
    }
    const specs = [this.#cluster.spec(source.name, snapshot), this.#cluster.spec(part)];
    const linked = request.kind === 'linked';
    const args = linked ? ['clone', '--rbd-default-clone-format', '2', ...specs] : ['cp', ...specs];
    const call = { what: `clone ${source.name}`, mutating: true, long: !linked };
    await this.#cluster.rbd(args, { ...call, ...options });
    if (size === undefined || size === sourceSize) return;
    const grow = ['resize', '--no-progress', this.#cluster.spec(part), '--size', `${size}B`];
    await this.#cluster.rbd(grow, { what: `resize the clone of ${source.name}`, mutating: true });
  }

  /** Every read of a block that no clone has written goes through the whole chain. */
  async #checkDepth(source: Image): Promise<void> {
    const { cloneDepth } = this.#cluster.settings;
    const chain = [source.name];
    let at: Image | undefined = source;
    while (at?.parent !== undefined && chain.length <= cloneDepth) {
      chain.push(at.parent.image);
      const elsewhere: boolean =
        at.parent.pool !== this.#cluster.pool ||
        at.parent.namespace !== (this.#cluster.settings.namespace ?? '');
      at = elsewhere ? undefined : await this.#images.byId(at.parent.imageId);
    }
    if (chain.length <= cloneDepth) return;
    const message = `${source.name} is the ${chain.length - 1}th clone of a chain; split one first`;
    throw new ArrayError('DEPTH_LIMIT', message, { refs: chain, expected: `${cloneDepth}` });
  }

  async split(
    request: Mutation & { readonly ref: ArrayRef },
    options?: CallOptions,
  ): Promise<ArrayVolume> {
    return this.#parts.turns.run(request.ref.nativeId, async () => {
      const image = await this.#images.ofRef(request.ref);
      if (image.parent !== undefined) {
        const call = { what: `split ${image.name}`, mutating: true, long: true };
        const args = ['flatten', this.#cluster.spec(image.name)];
        await this.#cluster.rbd(args, { ...call, ...options });
      }
      return this.#parts.objects.volume({ ...image, parent: undefined });
    });
  }
}
