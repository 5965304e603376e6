/**
 * What nobody needs any more, in the background:
 *
 *     a hidden leaf                          is deleted
 *     a hidden node with one sealed child    is merged with it: the child's blocks are copied over those of the
 *                                            hidden node, whose volume the child takes over
 *
 * so that a chain has one hidden node at most for every place where it forks, however many snapshots were
 * taken and deleted.
 *
 * Copying over a volume that is being read is safe here: every reader of the hidden node sees it through its
 * one child, and what is copied over is exactly what the child has for itself, so that nobody reads it from the
 * hidden node; and until the transaction readers go on to read it from the child's own volume. A hidden node that
 * somebody still has open without that child, because he was not told in time, is left alone. The merged
 * node has an id of its own, because caches believe that an id always means the same.
 */
import { type BlockDevice, PLAIN } from '../block/index.ts';
import { type OverlayBits, overlayMapBytes, writeSealedMap } from '../vdisk/index.ts';
import { nodeVolume } from './array-volumes.ts';
import { BlockRuns, mergeBits } from './block-runs.ts';
import { zeroRange } from './copy-device.ts';
import { COPY_BYTES, COPY_FLUSH_BYTES } from './limits.ts';
import type { NodeStore, NodeVolume, VolumeNode } from './nodes.ts';
import { readBits, withVolume } from './open-nodes.ts';
import { isAt, isLayer, type LayerNode, mapTag, roundedSize, tagsOf } from './overlay-volumes.ts';
import type { TreeParts } from './tree-parts.ts';
import type { VolumeHeads } from './volume-heads.ts';

export class NodeCollector {
  readonly #parts: TreeParts;
  readonly #store: NodeStore;
  readonly #heads: VolumeHeads;
  /** Nodes that something reads: how often, for each and for all that it stands on. */
  readonly #pins = new Map<string, number>();
  /** Merges that failed, until the next start: a disk that fails is not asked every second. */
  readonly #failed = new Set<string>();
  #merging: { readonly ids: ReadonlySet<string>; readonly ended: Promise<void> } | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;

  constructor(parts: TreeParts, heads: VolumeHeads) {
    this.#parts = parts;
    this.#store = parts.store;
    this.#heads = heads;
  }

  /**
   * It and what it stands on is read until `unpin`: nothing of it is deleted or merged.
   * @param find the node, as the store has it: a merge that is under way ends first, and may replace it
   * @throws what `find` throws
   */
  async pin(find: () => VolumeNode): Promise<VolumeNode> {
    for (;;) {
      const node = find();
      this.#hold(node.id);
      const merging = this.#merging;
      const chain = this.#store.chain(node.id);
      if (merging === undefined || !chain.some(({ id }) => merging.ids.has(id))) return node;
      await merging.ended;
      if (this.#store.byId(node.id) !== undefined) return node;
      this.unpin(node);
    }
  }

  #hold(id: string): void {
    this.#pins.set(id, (this.#pins.get(id) ?? 0) + 1);
  }

  unpin({ id }: Pick<VolumeNode, 'id'>): void {
    const left = (this.#pins.get(id) ?? 1) - 1;
    if (left === 0) this.#pins.delete(id);
    else this.#pins.set(id, left);
  }

  /** Looks whether there is something to do. Returns at once. */
  wake(): void {
    if (this.#closed) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  /** Settles when there is nothing left to do. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.idle();
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        const done = (await this.#deleteLeaf()) || (await this.#mergeOne());
        if (done) this.#again = true;
      } catch (error) {
        this.#parts.troubled('collecting what volumes need no more', error);
      }
    }
  }

  #pinned(): Set<string> {
    const pinned = new Set<string>();
    for (const id of this.#pins.keys()) {
      for (const node of this.#store.chain(id)) pinned.add(node.id);
    }
    return pinned;
  }

  /** Those that can be reached, one after the other: of thousands the first will do. */
  *#reachable(ids: readonly string[]): Generator<VolumeNode> {
    for (const id of ids) {
      const node = this.#store.byId(id);
      if (node !== undefined && this.#parts.isAttached(node.repositoryId)) yield node;
    }
  }

  async #deleteLeaf(): Promise<boolean> {
    const pinned = this.#pinned();
    const loose = this.#store.hiddenLeaves().filter((id) => !pinned.has(id));
    const leaf = this.#reachable(loose).next().value;
    if (leaf === undefined) return false;
    this.#store.transaction(() => {
      this.#store.delete(leaf.id);
      this.#doom(leaf);
    });
    await this.#deleteUnread(leaf);
    return true;
  }

  async #mergeOne(): Promise<boolean> {
    const { open } = this.#parts;
    const pinned = this.#pinned();
    for (const hidden of this.#reachable(this.#store.hiddenBelowOne())) {
      const [child, ...others] = this.#store.childrenOf(hidden.id);
      const may =
        child?.sealed === true &&
        isLayer(child) &&
        others.length === 0 &&
        child.repositoryId === hidden.repositoryId &&
        !pinned.has(hidden.id) &&
        !pinned.has(child.id) &&
        // A worker that was too slow may have it open as it was before others stood on it.
        !open.readsWithout(isAt(hidden.data), isAt(child.data)) &&
        !this.#failed.has(hidden.id);
      if (!may) continue;
      const ended = Promise.withResolvers<void>();
      this.#merging = { ids: new Set([hidden.id, child.id]), ended: ended.promise };
      this.#hold(child.id);
      try {
        await this.#merge(hidden, child);
        return true;
      } catch (error) {
        // One that was detached meanwhile has no disk that fails.
        if (this.#parts.isAttached(hidden.repositoryId)) this.#failed.add(hidden.id);
        this.#parts.troubled(`merging nodes ${hidden.id} and ${child.id}`, error);
      } finally {
        this.unpin(child);
        this.#merging = undefined;
        ended.resolve();
      }
    }
    return false;
  }

  async #merge(hidden: VolumeNode, child: LayerNode): Promise<void> {
    const { portsOf, bootId, newId, arrays } = this.#parts;
    const ports = portsOf(hidden.repositoryId);
    const bits = await readBits(ports, child, bootId);
    const data = await this.#roomFor(hidden, child.size);
    await this.#copy(hidden, child, data, bits);
    const id = newId();
    let map: NodeVolume | undefined;
    if (isLayer(hidden)) {
      const below = await readBits(ports, hidden, bootId);
      const size = roundedSize(ports, overlayMapBytes(child.size));
      const volume = { tag: mapTag(id), name: `layer-${mapTag(id)}`, size, thin: true };
      map = nodeVolume(volume.tag, await arrays.create(ports, volume));
      const merged = await mergeBits(
        { ...below, size: hidden.size },
        { ...bits, size: child.size },
      );
      await withVolume(ports, map, { write: true }, (device) => writeSealedMap(device, merged));
    }
    await this.#take(hidden, child, { id, data, map });
  }

  /** The hidden node's volume, as large as the child. What it gets more reads as zeroes. */
  async #roomFor(hidden: VolumeNode, size: number): Promise<NodeVolume> {
    if (size <= hidden.size) return hidden.data;
    const { portsOf, newId } = this.#parts;
    const ports = portsOf(hidden.repositoryId);
    const { ref, tag } = hidden.data;
    const grown = await ports.array.resizeVolume({ ref, size, opId: newId() });
    const data = nodeVolume(tag, grown);
    if (!isLayer(hidden)) {
      await withVolume(ports, data, { write: true }, (device) =>
        zeroRange(device, hidden.size, size - hidden.size),
      );
    }
    return data;
  }

  async #copy(
    hidden: VolumeNode,
    child: LayerNode,
    target: NodeVolume,
    bits: OverlayBits,
  ): Promise<void> {
    const ports = this.#parts.portsOf(hidden.repositoryId);
    const runs = new BlockRuns(bits, child.size);
    await withVolume(ports, child.data, { write: false }, (from) =>
      withVolume(ports, target, { write: true }, async (to) => {
        for (let run = runs.next(); run !== undefined; run = runs.next()) {
          if (run.kind === 'owned') await copyRange(from, to, run.offset, run.length);
          // A layer's map says it; a base has no map.
          else if (!isLayer(hidden)) await zeroRange(to, run.offset, run.length);
        }
        await to.flush();
      }),
    );
  }

  /** The merged node takes the place of both. */
  async #take(
    hidden: VolumeNode,
    child: LayerNode,
    made: Pick<VolumeNode, 'id' | 'data' | 'map'>,
  ): Promise<void> {
    const { open, store, arrays } = this.#parts;
    store.transaction(() => {
      // While it was copied the child may have become hidden, or something may stand on it anew.
      const now = store.byId(child.id);
      const below = store.byId(hidden.id);
      if (now === undefined || below === undefined) {
        throw new TypeError(`node ${child.id} or ${hidden.id} is gone though it is pinned`);
      }
      const merged = { ...now, ...made, parentId: below.parentId };
      store.save({ ...merged, snapshotId: undefined });
      for (const above of store.childrenOf(child.id)) store.save({ ...above, parentId: made.id });
      store.delete(child.id);
      store.delete(hidden.id);
      store.save(merged);
      if (made.map !== undefined) arrays.kept(made.map.tag);
      this.#doom(child);
      if (hidden.map !== undefined) arrays.doomed(hidden.map.tag, hidden.repositoryId);
    });
    this.#parts.chains.merged(hidden.id, child.id, made.id);
    await this.#heads.refresh([...open.reading(isAt(child.data)), ...open.opening]);
    await this.#deleteUnread(child, hidden.map === undefined ? [] : [hidden.map.tag]);
  }

  /** What is still read stays a leftover, until the repository is attached the next time. */
  async #deleteUnread(node: VolumeNode, others: readonly string[] = []): Promise<void> {
    if (this.#parts.open.reading(isAt(node.data)).length > 0) return;
    await this.#heads.deleteVolumes(node.repositoryId, [...others, ...tagsOf(node)]);
  }

  #doom(node: VolumeNode): void {
    for (const tag of tagsOf(node)) this.#parts.arrays.doomed(tag, node.repositoryId);
  }
}

async function copyRange(
  from: BlockDevice,
  to: BlockDevice,
  offset: number,
  length: number,
): Promise<void> {
  const most = Math.min(COPY_BYTES, from.geometry.maximumIo, to.geometry.maximumIo);
  const buffer = Buffer.allocUnsafe(Math.min(most, length));
  let unflushed = 0;
  for (let done = 0; done < length; ) {
    const piece = buffer.subarray(0, Math.min(most, length - done));
    await from.read(piece, offset + done);
    await to.write(piece, offset + done, PLAIN);
    done += piece.length;
    unflushed += piece.length;
    if (unflushed < COPY_FLUSH_BYTES) continue;
    unflushed = 0;
    await to.flush();
  }
}
