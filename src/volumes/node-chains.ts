/**
 * Chains of nodes as the workers read them: an index in shared memory, and the volumes of the layers. An index
 * that is kept for some node further down is gone on from, so that the next snapshot of a volume with
 * thousands costs one map.
 */
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { Fault } from '../errors/index.ts';
import type { VolumeLocator } from '../repositories/index.ts';
import { ChainIndex, ChainIndexDraft } from '../vdisk/index.ts';
import { INDEX_CACHE_BYTES, MERGES_KEPT } from './limits.ts';
import type { NodeStore, VolumeNode } from './nodes.ts';
import { type PortsOf, readBits, wholeBase } from './open-nodes.ts';

/** As src/exports has it. */
export interface NodeChain {
  readonly layerId: string;
  /** Of the disk in bytes. */
  readonly size: number;
  readonly index: SharedArrayBuffer;
  readonly layers: readonly {
    readonly layerId: string;
    readonly volume: VolumeLocator;
    readonly size: number;
  }[];
}

export class NodeChains {
  readonly #store: NodeStore;
  readonly #portsOf: PortsOf;
  readonly #bootId: string;
  /** By the nodes that it is of (`namesOf`): a merge or a split puts others below a node. */
  readonly #indices = new LRUCache<string, SharedArrayBuffer>({
    maxSize: INDEX_CACHE_BYTES,
    sizeCalculation: ({ byteLength }) => byteLength,
  });

  readonly #merges = new LRUCache<string, { readonly lower: string; readonly upper: string }>({
    max: MERGES_KEPT,
  });

  constructor(store: NodeStore, portsOf: PortsOf, bootId: string) {
    this.#store = store;
    this.#portsOf = portsOf;
    this.#bootId = bootId;
  }

  /**
   * @param size of the disk in bytes, where it has grown since the node was sealed
   * @param before the chain as it was: two of its nodes may have been merged, which needs no map
   * @throws Fault NOT_FOUND; BlockError when a map cannot be read
   */
  async chain(nodeId: string, size?: number, before?: NodeChain): Promise<NodeChain> {
    const nodes = this.#store.chain(nodeId);
    const top = nodes.at(-1);
    if (top === undefined) throw noNode(nodeId);
    if (before !== undefined) this.#noteMerge(nodes, before);
    let index = await this.#index(nodes);
    if (size !== undefined && size > top.size)
      index = ChainIndexDraft.ofIndex(index, size).finish();
    return chainOf(nodes, index);
  }

  /** Of a volume that becomes a base: nothing has to be read for it. */
  baseChain(base: Pick<VolumeNode, 'id' | 'data' | 'size'>): NodeChain {
    const index = ChainIndexDraft.ofBase(wholeBase(base.size), base.size).finish();
    const [name = ''] = namesOf([base]);
    this.#indices.set(name, index);
    return chainOf([base], index);
  }

  /** A node took the place of two: what is known of chains that had them holds for those that have it. */
  merged(lower: string, upper: string, both: string): void {
    this.#merges.set(both, { lower, upper });
  }

  /** Keeps the index of the merged chain, if that is what became of the one before. */
  #noteMerge(nodes: readonly VolumeNode[], { layers, index, size }: NodeChain): void {
    let at = 0;
    while (at < nodes.length && nodes[at]?.id === layers[at]?.layerId) at += 1;
    const above = layers.slice(at + 2);
    const known = nodes.slice(0, at + 1 + above.length);
    const merge = this.#merges.get(nodes[at]?.id ?? '');
    const isMerge =
      merge !== undefined &&
      merge.lower === layers[at]?.layerId &&
      merge.upper === layers[at + 1]?.layerId &&
      known.at(-1)?.size === size &&
      above.every(({ layerId }, number) => known[at + 1 + number]?.id === layerId);
    if (!isMerge) return;
    const name = namesOf(known).at(-1) ?? '';
    if (!this.#indices.has(name)) {
      this.#indices.set(name, ChainIndexDraft.ofMerge(index, at).finish());
    }
  }

  async #index(nodes: readonly VolumeNode[]): Promise<SharedArrayBuffer> {
    const names = namesOf(nodes);
    let from = names.findLastIndex((name) => this.#indices.has(name));
    let index = this.#indices.get(names[from] ?? '');
    if (index === undefined) {
      const [base] = nodes;
      if (base === undefined) throw noNode('');
      index = this.baseChain(base).index;
      from = 0;
    }
    const above = nodes.slice(from + 1);
    const top = nodes.at(-1);
    if (above.length === 0 || top === undefined) return index;
    const draft = ChainIndexDraft.ofIndex(index, top.size);
    for (const node of above) {
      const { map, size } = node;
      if (map === undefined) throw noNode(node.id);
      const bits = await readBits(this.#portsOf(node.repositoryId), { ...node, map }, this.#bootId);
      await draft.add({ size, ...bits });
    }
    const whole = draft.finish();
    this.#indices.set(names.at(-1) ?? '', whole);
    return whole;
  }
}

type ChainNode = Pick<VolumeNode, 'id' | 'data' | 'size'>;

function chainOf(nodes: readonly ChainNode[], index: SharedArrayBuffer): NodeChain {
  const layers = nodes.map(({ id, data, size }) => ({ layerId: id, volume: data.locator, size }));
  const { size } = new ChainIndex(index);
  // A disk that grew is another chain than the one that ends where its uppermost layer does.
  return { layerId: `${namesOf(nodes).at(-1)}:${size}`, size, index, layers };
}

/** For each node, what names it together with all that it stands on. */
function namesOf(nodes: readonly Pick<VolumeNode, 'id'>[]): string[] {
  let name = '';
  return nodes.map(({ id }) => {
    name = createHash('sha256').update(`${name} ${id}`).digest('base64url');
    return name;
  });
}

function noNode(id: string): Fault {
  return new Fault('NOT_FOUND', `there is no node ${id}`, { field: 'node', value: id });
}
