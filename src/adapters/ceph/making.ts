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
import { META, objectName, partName } from './names.ts';

export interface Wanted {
  readonly tag: string;
  readonly name: string;
  readonly thin: boolean;
  /** Makes the image of this name, with its content. */
  readonly make: (part: string) => Promise<void>;
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

  /** Nothing of this tag exists under a complete name (the caller has looked). */
  make(wanted: Wanted, options?: CallOptions): Promise<Image> {
    return this.#turns.run(wanted.tag, async () => {
      const complete = objectName(wanted.name, wanted.tag);
      const part = partName(complete);
      if (!(await this.#finished(part, wanted.tag))) await this.#makePart(part, wanted, options);
      await this.#refuseSquatter(complete);
      const call = { what: `name image ${complete}`, mutating: true };
      await this.#cluster.rbd(['mv', this.#cluster.spec(part), this.#cluster.spec(complete)], call);
      const image = await this.#images.byName(complete);
      if (image !== undefined) return image;
      throw new ArrayError('UNKNOWN_OUTCOME', `image ${complete} was made, and is not there`);
    });
  }

  async #finished(part: string, tag: string): Promise<boolean> {
    if ((await this.#images.byName(part)) === undefined) return false;
    return (await this.#images.meta(part)).get(META.tag) === tag;
  }

  async #makePart(part: string, wanted: Wanted, options?: CallOptions): Promise<void> {
    await this.#remove(part);
    try {
      await wanted.make(part);
      await this.#images.forgetSource(part);
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
    const call = { what: `remove the unfinished image ${part}`, mutating: true, long: true };
    const remove = (): Promise<unknown> =>
      this.#cluster.rbd(['rm', '--no-progress', this.#cluster.spec(part)], call);
    if (
      !((await this.#cluster.rbdJson(['ls', this.#cluster.place], call)) as unknown[]).includes(
        part,
      )
    )
      return;
    await ignoring(['NOT_FOUND'], async () => {
      const watchers = (await this.#images.byName(part)) ? await this.#images.watchers(part) : [];
      await this.#cluster.block(watchers, DEAD_CLIENT_SECONDS);
      await remove();
    });
  }

  /** What was released keeps its name. */
  async #refuseSquatter(complete: string): Promise<void> {
    if ((await this.#images.byName(complete)) === undefined) return;
    throw new ArrayError(
      'ALREADY_EXISTS_DIFFERENT',
      `an image ${complete} is there, and is not ours`,
      { value: complete },
    );
  }
}
