/**
 * Where what has a tag is, when its name does not say: adopted images, and snapshots (of which image?). Kept in the
 * metadata of the repository's marker image, one key a tag, so that a look-up is one call in a pool of any size.
 * An entry is written before what it names is made or tagged; whoever reads one looks whether it is true.
 */

import { ArrayError } from '../../errors/index.ts';
import type { Cluster } from './cluster.ts';
import type { Images } from './images.ts';
import { MARKER, tagSuffix } from './names.ts';

type Kind = 'volume' | 'snapshot';

export class TagIndex {
  readonly #cluster: Cluster;
  readonly #images: Images;

  constructor(cluster: Cluster, images: Images) {
    this.#cluster = cluster;
    this.#images = images;
  }

  /** The id of the image. */
  async get(kind: Kind, tag: string): Promise<string | undefined> {
    const args = ['image-meta', 'get', this.#cluster.spec(MARKER), keyOf(kind, tag)];
    try {
      return (await this.#cluster.rbd(args, { what: 'look for a tag' })).trim();
    } catch (error) {
      if (error instanceof ArrayError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }

  async set(kind: Kind, tag: string, imageId: string): Promise<void> {
    await this.#images.setMeta(MARKER, keyOf(kind, tag), imageId);
  }

  async remove(kind: Kind, tag: string): Promise<void> {
    await this.#images.removeMeta(MARKER, keyOf(kind, tag));
  }
}

function keyOf(kind: Kind, tag: string): string {
  return `rootcast.index.${kind}${tagSuffix(tag)}`;
}
