/**
 * What differs between two snapshots, by `rbd diff`: exact, down to the bytes that were written. It always tells all of
 * it, however little is wanted, so the last answer is kept for whoever asks range after range. Snapshots do not change.
 */
import type { Extent } from '../../block/index.ts';
import type { Cluster } from './cluster.ts';
import type { Image, ImageSnapshot } from './images.ts';
import { DIFF_EXTENTS_KEPT } from './limits.ts';
import { count, shapesOf, text } from './shape.ts';

interface Range {
  readonly offset: number;
  readonly length: number;
  readonly limit: number;
}

export class Differences {
  readonly #cluster: Cluster;
  #kept: { readonly key: string; readonly extents: readonly Extent[] } | undefined;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** @param to undefined: as the image is now */
  async of(
    image: Image,
    from: ImageSnapshot | undefined,
    to: ImageSnapshot | undefined,
    range: Range,
  ): Promise<readonly Extent[]> {
    const key = `${image.id} ${from?.id} ${to?.id}`;
    const kept = this.#kept?.key === key ? this.#kept.extents : undefined;
    const extents = kept ?? (await this.#ask(image, from, to));
    const keep = to !== undefined && extents.length <= DIFF_EXTENTS_KEPT;
    if (keep) this.#kept = { key, extents };
    return within(extents, range);
  }

  async #ask(
    image: Image,
    from: ImageSnapshot | undefined,
    to: ImageSnapshot | undefined,
  ): Promise<readonly Extent[]> {
    const since = from === undefined ? [] : ['--from-snap', from.name];
    const args = ['diff', ...since, this.#cluster.spec(image.name, to?.name)];
    const call = { what: `compare snapshots of ${image.name}`, long: true };
    const found = shapesOf(await this.#cluster.rbdJson(args, call), call.what);
    const extents: Extent[] = [];
    for (const shape of found) {
      const kind = text(shape, 'exists') === 'true' ? 'data' : 'hole';
      extents.push({ offset: count(shape, 'offset'), length: count(shape, 'length'), kind });
    }
    return extents.sort((a, b) => a.offset - b.offset);
  }
}

/** The first `limit` of them that touch the range, cut to it. */
export function within(extents: readonly Extent[], range: Range): Extent[] {
  const end = range.offset + range.length;
  // The first one that ends after the range begins.
  let low = 0;
  let high = extents.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { offset, length } = extents[middle] ?? { offset: 0, length: 0 };
    if (offset + length > range.offset) high = middle;
    else low = middle + 1;
  }
  const found: Extent[] = [];
  for (let index = low; index < extents.length && found.length < range.limit; index += 1) {
    const extent = extents[index];
    if (extent === undefined || extent.offset >= end) break;
    const offset = Math.max(extent.offset, range.offset);
    const length = Math.min(extent.offset + extent.length, end) - offset;
    found.push({ offset, length, kind: extent.kind });
  }
  return found;
}
