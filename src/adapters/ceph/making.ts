/**
 * Making an image so that a death at any point leaves nothing half done under its name: it is made as `NAME.part`,
 * tagged, and renamed. Whoever tries again finds it complete, or finishes the renaming, or throws the part away.
 */
import type { KeyedMutex } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import type { CallOptions } from '../../repositories/index.ts';
import type { Cluster } from './cluster.ts';
import { type Image, type Images, ignoring } from './images.ts';
import { DEAD_CLIENT_SECONDS } from './limits.ts';
import { META, objectName, partName, tagSuffix } from './names.ts';

export interface Wanted {
  readonly tag: string;
  readonly name: string;
  readonly thin: boolean;
  /** It is a copy, and has its source's metadata. */
  readonly copied: boolean;
  /** The one that has the tag already. */
  readonly find: (names: readonly string[]) => Promise<Image | undefined>;
  /** Makes the image of this name, with its content. */
  readonly make: (part: string) => Promise<void>;
}

/** What our own metadata says of it when it has just been made. */
export function metaOf({ tag, thin }: Pick<Wanted, 'tag' | 'thin'>): ReadonlyMap<string, string> {
  return new Map([[META.tag, tag], ...(thin ? [] : [[META.thin, 'no'] as const])]);
}

export interface Made {
  readonly image: Image;
  /** False: it was there. */
  readonly fresh: boolean;
}

export class Maker {
  readonly #cluster: Cluster;
  readonly #images: Images;
  readonly #turns: KeyedMutex;

  /** @param turns one thing at a time for each tag and image */
  constructor(cluster: Cluster, images: Images, turns: KeyedMutex) {
    this.#cluster = cluster;
    this.#images = images;
    this.#turns = turns;
  }

  make(wanted: Wanted, options?: CallOptions): Promise<Made> {
    return this.#turns.run(wanted.tag, async () => {
      const names = await this.#images.allNames();
      const there = await wanted.find(names);
      if (there !== undefined) return { image: there, fresh: false };
      const complete = objectName(wanted.name, wanted.tag);
      // What was released keeps its name.
      if (names.includes(complete)) {
        const message = `an image ${complete} is there, and is not ours`;
        throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message, { value: complete });
      }
      // Of an attempt that died, which may have had another name for it: the tag is what counts.
      const begun = names.find((name) => name.endsWith(partName(tagSuffix(wanted.tag))));
      const finished = begun !== undefined && (await this.#finished(begun, wanted.tag));
      if (begun !== undefined && !finished) await this.#remove(begun);
      const part = finished ? begun : partName(complete);
      if (!finished) await this.#makePart(part, wanted, options);
      const call = { what: `name image ${complete}`, mutating: true };
      await this.#cluster.rbd(['mv', this.#cluster.spec(part), this.#cluster.spec(complete)], call);
      const image = await this.#images.byName(complete);
      if (image !== undefined) return { image, fresh: true };
      throw new ArrayError('UNKNOWN_OUTCOME', `image ${complete} was made, and is not there`);
    });
  }

  async #finished(part: string, tag: string): Promise<boolean> {
    if ((await this.#images.byName(part)) === undefined) return false;
    return (await this.#images.meta(part)).get(META.tag) === tag;
  }

  async #makePart(part: string, wanted: Wanted, options?: CallOptions): Promise<void> {
    try {
      await wanted.make(part);
      if (wanted.copied) await this.#images.forgetSource(part);
      if (!wanted.thin) await this.#images.setMeta(part, META.thin, 'no');
      await this.#images.setMeta(part, META.tag, wanted.tag);
    } catch (error) {
      if (options?.signal?.aborted !== true) throw error;
      await this.#remove(part);
      throw new ArrayError('CANCELLED', `making ${wanted.name} was cancelled`, { cause: error });
    }
  }

  /**
   * Nobody ever saw it: it had no tag. It may also be a name without an image, of a creation that died early. A call
   * that was killed is a watcher for another half minute: only a process of ours can have had it open.
   */
  async #remove(part: string): Promise<void> {
    const there = (await this.#images.byName(part)) !== undefined;
    const watchers = there ? await this.#images.watchers(part) : [];
    await this.#cluster.block(watchers, DEAD_CLIENT_SECONDS);
    const call = { what: `remove the unfinished image ${part}`, mutating: true, long: true };
    await ignoring(['NOT_FOUND'], () =>
      this.#cluster.rbd(['rm', '--no-progress', this.#cluster.spec(part)], call),
    );
  }
}
