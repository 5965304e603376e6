/**
 * What may differ between two nodes of a tree: whatever a layer decides on the way from one to the other. A
 * superset where a block was written twice with the same bytes; never less.
 */
import { LRUCache } from 'lru-cache';
import { appendExtent, type Extent } from '../block/index.ts';
import {
  BLOCK_BYTES,
  ChainIndex,
  ChainIndexDraft,
  type OverlayBits,
  sourcesOf,
} from '../vdisk/index.ts';
import { BlockRuns } from './block-runs.ts';
import { DIFF_CACHE_BYTES, DIFF_WINDOW_BYTES } from './limits.ts';
import type { NodeChains } from './node-chains.ts';
import type { NodeStore, VolumeNode } from './nodes.ts';
import { type PortsOf, readBits } from './open-nodes.ts';
import { isLayer, type LayerNode } from './overlay-volumes.ts';

export interface DiffRange {
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
  /** Most extents wanted. */
  readonly limit: number;
  /** What a disk grew by is new, though nobody wrote to it (`told`, also when it is not said), or is not. */
  readonly grown?: 'told' | 'as-written';
}

export class NodeDiff {
  readonly #store: NodeStore;
  readonly #portsOf: PortsOf;
  readonly #chains: NodeChains;
  readonly #bootId: string;
  readonly #windows = new LRUCache<string, Changed>({
    maxSize: DIFF_CACHE_BYTES,
    sizeCalculation: ({ bits }) => Math.max(1, bits.byteLength),
  });

  constructor(parts: {
    readonly store: NodeStore;
    readonly portsOf: PortsOf;
    readonly chains: NodeChains;
    readonly bootId: string;
  }) {
    this.#store = parts.store;
    this.#portsOf = parts.portsOf;
    this.#chains = parts.chains;
    this.#bootId = parts.bootId;
  }

  /**
   * In order; `data`, or `hole` where `to` reads as zeroes. May stop early: what lies behind the last one
   * up to where fewer than `limit` were found is equal.
   * @param from undefined: everything that `to` holds; of another tree: all of `to`, holes too
   * @param to pinned; may be a head that is written to: what was acknowledged before is in it
   * @throws Fault NOT_FOUND, BlockError
   */
  async between(
    from: VolumeNode | undefined,
    to: VolumeNode,
    range: DiffRange,
  ): Promise<readonly Extent[]> {
    const head = to.sealed || !isLayer(to) ? undefined : await this.#bitsOf(to);
    const chainIndex = new ChainIndex(await this.#indexOf(to, head));
    const sources = sourcesOf(chainIndex);
    const end = Math.min(chainIndex.size, range.offset + range.length);
    const path = from === undefined ? undefined : this.#path(from, to);
    const found: Extent[] = [];
    const add = (start: number, stop: number): boolean => {
      for (let at = start; at < stop; ) {
        const next = sources.runEnd(at, stop);
        const kind = sources.sourceAt(at) === 0 ? 'hole' : 'data';
        // Of all that there is, holes need no telling; but of what another one has there nobody knows.
        const isTold = from !== undefined || kind === 'data';
        if (isTold && !append(found, at, next - at, kind, range.limit)) return false;
        at = next;
      }
      return true;
    };
    if (path === undefined) {
      add(range.offset, end);
      return found;
    }
    const before = from?.size ?? 0;
    const isGrown = before < to.size && range.grown !== 'as-written';
    const grownFrom = isGrown ? before : Number.POSITIVE_INFINITY;
    for (let at = range.offset; at < end; ) {
      const window = await this.#window(path, head, Math.floor(at / WINDOW), chainIndex.size);
      const stop = Math.min(end, window.offset + WINDOW);
      for (const run of runsOf(window, at, stop, grownFrom)) if (!add(...run)) return found;
      at = stop;
    }
    return found;
  }

  /** The layers between two nodes of a tree; undefined: they have nothing in common. */
  #path(from: VolumeNode, to: VolumeNode): readonly VolumeNode[] | undefined {
    const [lower, upper] = [this.#store.chain(from.id), this.#store.chain(to.id)];
    let common = 0;
    while (common < lower.length && lower[common]?.id === upper[common]?.id) common += 1;
    if (common === 0) return undefined;
    return [...lower.slice(common), ...upper.slice(common)];
  }

  /** Which layer each block of it is read from; of a head as it is now. */
  async #indexOf(to: VolumeNode, head: HeadBits | undefined): Promise<SharedArrayBuffer> {
    if (head === undefined || to.parentId === undefined) {
      return (await this.#chains.chain(to.id)).index;
    }
    const { index } = await this.#chains.chain(to.parentId);
    const draft = ChainIndexDraft.ofIndex(index, to.size);
    await draft.add(head);
    return draft.finish();
  }

  async #bitsOf(node: LayerNode): Promise<HeadBits> {
    const bits = await readBits(this.#portsOf(node.repositoryId), node, this.#bootId);
    return { id: node.id, size: node.size, ...bits };
  }

  /** Whoever asks page after page has every map of what is sealed read once. */
  async #window(
    path: readonly VolumeNode[],
    head: HeadBits | undefined,
    number: number,
    size: number,
  ): Promise<Changed> {
    const sealed = path.filter(({ id }) => id !== head?.id);
    // What a node says never changes, and neither does what its id means.
    const key = `${number} ${size} ${sealed.map(({ id }) => id).join(' ')}`;
    const offset = number * WINDOW;
    const end = Math.min(size, offset + WINDOW);
    let bits = this.#windows.get(key)?.bits;
    if (bits === undefined) {
      bits = await this.#changed(sealed, offset, end);
      this.#windows.set(key, { offset, bits });
    }
    if (head === undefined) return { offset, bits };
    const now = bits.slice();
    addRuns(now, new BlockRuns(head, head.size), offset, end);
    return { offset, bits: now };
  }

  /** One bit for each block of the range. @param offset where a block begins */
  async #changed(path: readonly VolumeNode[], offset: number, end: number): Promise<Uint8Array> {
    const bits = new Uint8Array(Math.ceil((Math.ceil(end / BLOCK) - offset / BLOCK) / 8));
    for (const node of path) {
      if (!isLayer(node)) continue;
      const map = await readBits(this.#portsOf(node.repositoryId), node, this.#bootId);
      addRuns(bits, new BlockRuns(map, node.size), offset, end);
    }
    return bits;
  }
}

/** What a layer says that is written to. */
interface HeadBits extends OverlayBits {
  readonly id: string;
  readonly size: number;
}

/** Sets the bits of the blocks that a layer has decided in [offset, end). */
function addRuns(bits: Uint8Array, runs: BlockRuns, offset: number, end: number): void {
  const first = offset / BLOCK;
  for (let run = runs.next(); run !== undefined && run.offset < end; run = runs.next()) {
    const from = Math.max(first, run.offset / BLOCK);
    const to = Math.ceil(Math.min(end, run.offset + run.length) / BLOCK);
    for (let block = from; block < to; block++) {
      const at = block - first;
      bits[at >>> 3] = (bits[at >>> 3] ?? 0) | (1 << (at & 7));
    }
  }
}

const BLOCK = BLOCK_BYTES;
const WINDOW = DIFF_WINDOW_BYTES;

/** Which blocks of a part of a disk a layer has decided. */
interface Changed {
  readonly offset: number;
  readonly bits: Uint8Array;
}

function* runsOf(
  changed: Changed,
  offset: number,
  end: number,
  grownFrom: number,
): Generator<readonly [start: number, stop: number]> {
  const first = changed.offset / BLOCK;
  const last = Math.ceil(end / BLOCK);
  const isSet = (block: number): boolean =>
    block * BLOCK + BLOCK > grownFrom ||
    (((changed.bits[(block - first) >>> 3] ?? 0) >>> ((block - first) & 7)) & 1) === 1;
  for (let block = Math.floor(offset / BLOCK); block < last; ) {
    if (!isSet(block)) {
      block += 1;
      continue;
    }
    const start = block;
    while (block < last && isSet(block)) block += 1;
    yield [Math.max(offset, start * BLOCK), Math.min(end, block * BLOCK)];
  }
}

/** Neighbours of one kind are told as one; others need not touch each other. */
function append(
  found: Extent[],
  offset: number,
  length: number,
  kind: 'data' | 'hole',
  limit: number,
): boolean {
  const last = found.at(-1);
  if (last !== undefined && last.offset + last.length === offset) {
    return appendExtent(found, offset, length, kind, limit);
  }
  if (found.length >= limit) return false;
  found.push({ offset, length, kind });
  return true;
}
