/**
 * Snapshots, clones, revert, split and growth by layers, for arrays that cannot. Read first: nodes.ts.
 *
 * Every operation is: make what is new; then one transaction, in which `keep` records it for control; then
 * delete what nobody needs any more. A crash leaves the tree from before the transaction or from after it.
 * Nothing that was sealed is written to again (but see collect-nodes.ts on merging), so readers go on with
 * what they have open, and an operation on one volume never waits for another's.
 */
import { Fault } from '../errors/index.ts';
import { nodeVolume, type RepositoryPorts } from './array-volumes.ts';
import { NodeCollector } from './collect-nodes.ts';
import { type CopyProgress, copyDevice } from './copy-device.ts';
import type { NodeStore, NodeVolume, VolumeNode } from './nodes.ts';
import { openNodes, withVolume } from './open-nodes.ts';
import { snapshotKey, volumeKey } from './open-volumes.ts';
import { createOverlay, isAt, refuseShrink, roundedSize } from './overlay-volumes.ts';
import type { TreeParts } from './tree-parts.ts';
import { type LayeredVolume, noSnapshot, type Sealing, VolumeHeads } from './volume-heads.ts';

export class VolumeTrees {
  readonly heads: VolumeHeads;
  readonly collector: NodeCollector;
  readonly #parts: TreeParts;
  readonly #store: NodeStore;

  constructor(parts: TreeParts) {
    this.#parts = parts;
    this.#store = parts.store;
    this.heads = new VolumeHeads(parts);
    this.collector = new NodeCollector(parts, this.heads);
  }

  /** Whether layers do what is asked of this volume from now on. */
  has(volumeId: string): boolean {
    return this.#store.ofVolume(volumeId) !== undefined;
  }

  /**
   * Snapshots of one moment.
   * @param others volumes that are held at the same moment, by their keys, and what is done to them then
   * @param keep in the transaction that makes them
   */
  async snapshot<T>(
    of: readonly { readonly volume: LayeredVolume; readonly snapshotId: string }[],
    others: { readonly keys: readonly string[]; readonly work: () => Promise<void> },
    keep: () => T,
  ): Promise<T> {
    const keys = [...of.map(({ volume }) => volumeKey(volume.volumeId)), ...others.keys];
    const result = await this.#parts.open.lock(keys, async () => {
      const sealings = await this.#prepareAll(of.map(({ volume }) => volume));
      return this.#seal(sealings, keys, others.work, () => {
        for (const [at, sealing] of sealings.entries()) {
          this.heads.commit(sealing, of[at]?.snapshotId);
        }
        return keep();
      });
    });
    for (const { volume } of of) void this.heads.flatten(volume);
    return result;
  }

  /** @throws Fault NOT_FOUND, IN_USE while it is open */
  async deleteSnapshot(snapshotId: string, keep: () => void): Promise<void> {
    const { open } = this.#parts;
    const key = snapshotKey(snapshotId);
    await open.lock([key], async () => {
      open.refuseOpen(key, 'the snapshot');
      this.#store.transaction(() => {
        const node = this.#store.ofSnapshot(snapshotId);
        if (node !== undefined) this.#store.save({ ...node, snapshotId: undefined });
        keep();
      });
    });
    this.collector.wake();
  }

  /** Its snapshots live on. @throws Fault IN_USE while it is open */
  async deleteVolume(volumeId: string, keep: () => void): Promise<void> {
    const { open } = this.#parts;
    const key = volumeKey(volumeId);
    await open.lock([key], async () => {
      open.refuseOpen(key, 'the volume');
      this.#store.transaction(() => {
        this.#dropHead(volumeId);
        keep();
      });
    });
    this.collector.wake();
  }

  /** The volume is as the snapshot is; newer snapshots stay. @throws Fault IN_USE while it is open, NOT_FOUND */
  async revert<T>(
    volume: LayeredVolume,
    snapshotId: string,
    keep: (size: number) => T,
  ): Promise<T> {
    const { open } = this.#parts;
    const key = volumeKey(volume.volumeId);
    const result = await open.lock([key], async () => {
      open.refuseOpen(key, 'the volume');
      const overlay = await this.#overlayOn(snapshotId, volume.volumeId);
      return this.#orDiscard([overlay], () =>
        this.#store.transaction(() => {
          // A merge may have given the snapshot another node meanwhile.
          const node = this.#snapshotNode(snapshotId);
          this.#dropHead(volume.volumeId);
          this.heads.keep({ ...overlay, parentId: node.id });
          return keep(overlay.size);
        }),
      );
    });
    this.collector.wake();
    return result;
  }

  /** A volume that shares the snapshot's blocks. @throws Fault NOT_FOUND */
  async cloneLinked<T>(
    snapshotId: string,
    volumeId: string,
    keep: (size: number) => T,
  ): Promise<T> {
    const overlay = await this.#overlayOn(snapshotId, volumeId);
    return this.#orDiscard([overlay], () =>
      this.#store.transaction(() => {
        this.heads.keep({ ...overlay, parentId: this.#snapshotNode(snapshotId).id });
        return keep(overlay.size);
      }),
    );
  }

  /** A volume that shares the blocks of another one, as that is now. */
  cloneOfVolume<T>(volume: LayeredVolume, volumeId: string, keep: (size: number) => T): Promise<T> {
    const { arrays, portsOf, newId, bootId } = this.#parts;
    const key = volumeKey(volume.volumeId);
    return this.#parts.open.lock([key], async () => {
      const sealings = await this.#prepareAll([volume]);
      const [{ head } = noHead(volume)] = sealings;
      const node = { id: newId(), size: head.size, parentId: head.id, volumeId };
      const ports = portsOf(volume.repositoryId);
      const clone = await createOverlay(arrays, ports, node, bootId).catch(async (error) => {
        await this.heads.discard(sealings.map(({ overlay }) => overlay));
        throw error;
      });
      return this.#orDiscard([clone], () =>
        this.#seal(
          sealings,
          [key],
          async () => {},
          () => {
            for (const sealing of sealings) this.heads.commit(sealing, undefined);
            this.heads.keep(clone);
            return keep(clone.size);
          },
        ),
      );
    });
  }

  /**
   * Copies a snapshot, or a volume as it is now, into a new volume of the array.
   * @param source.of whose head is sealed first
   */
  async copy(
    source: { readonly snapshotId: string } | { readonly of: LayeredVolume },
    target: CopyTarget,
    call: CopyProgress,
  ): Promise<void> {
    const node =
      'of' in source
        ? await this.#sealHidden(source.of)
        : await this.collector.pin(() => this.#snapshotNode(source.snapshotId));
    try {
      await this.#copyNode(node, target, call);
    } finally {
      this.collector.unpin(node);
      this.collector.wake();
    }
  }

  /** The volume as it is now, as a node that is no snapshot; pinned, until the caller unpins it. */
  async #sealHidden(volume: LayeredVolume): Promise<VolumeNode> {
    const key = volumeKey(volume.volumeId);
    // From before it is hidden: the collector must not get to it first.
    let pinned: Promise<VolumeNode> | undefined;
    await this.#parts.open.lock([key], async () => {
      const sealings = await this.#prepareAll([volume]);
      const [{ head } = noHead(volume)] = sealings;
      await this.#seal(
        sealings,
        [key],
        async () => {},
        () => {
          for (const sealing of sealings) this.heads.commit(sealing, undefined);
          pinned = this.collector.pin(() => this.#node(head.id));
        },
      );
    });
    return pinned ?? noHead(volume);
  }

  /** It stands on nothing that others stand on, too. */
  async split<T>(volume: LayeredVolume, keep: (size: number) => T, call: CopyProgress): Promise<T> {
    const isPlain = (): boolean => this.#store.ofVolume(volume.volumeId)?.parentId === undefined;
    if (isPlain()) return this.#store.transaction(() => keep(volume.plain.size));
    const parent = await this.collector.pin(() =>
      this.#node(this.#store.ofVolume(volume.volumeId)?.parentId ?? volume.volumeId),
    );
    try {
      const base = await this.#copyToBase(parent, call);
      return await this.#orDiscard([base], () => this.#standOn(volume, parent, base, keep));
    } finally {
      this.collector.unpin(parent);
      this.collector.wake();
    }
  }

  /** @param size bytes @throws Fault INVALID_INPUT when it is smaller than it is */
  async grow<T>(volume: LayeredVolume, size: number, keep: (size: number) => T): Promise<T> {
    const key = volumeKey(volume.volumeId);
    const ports = this.#parts.portsOf(volume.repositoryId);
    const rounded = roundedSize(ports, size);
    const result = await this.#parts.open.lock([key], async () => {
      const head = this.heads.headOf(volume);
      refuseShrink(head.size, rounded);
      if (head.size === rounded) return this.#store.transaction(() => keep(rounded));
      const sealing = await this.heads.prepare(volume, rounded);
      return this.#seal(
        [sealing],
        [key],
        async () => {},
        () => {
          this.heads.commit(sealing, undefined);
          return keep(rounded);
        },
      );
    });
    this.collector.wake();
    return result;
  }

  async #prepareAll(volumes: readonly LayeredVolume[]): Promise<readonly Sealing[]> {
    const sealings: Sealing[] = [];
    try {
      for (const volume of volumes) sealings.push(await this.heads.prepare(volume));
      return sealings;
    } catch (error) {
      await this.heads.discard(sealings.map(({ overlay }) => overlay));
      throw error;
    }
  }

  /** Holds all, works, commits, and lets all go on with what they are made of now. */
  #seal<T>(
    sealings: readonly Sealing[],
    keys: readonly string[],
    work: () => Promise<void>,
    commit: () => T,
  ): Promise<T> {
    const { open } = this.#parts;
    let committed = false;
    const held = async (): Promise<T> => {
      await work();
      const result = this.#store.transaction(commit);
      committed = true;
      return result;
    };
    const after = async (key: string, before: NonNullable<ReturnType<typeof open.content>>) => {
      const sealing = sealings.find(({ volumeId }) => volumeKey(volumeId) === key);
      if (sealing === undefined) return before;
      if (sealing.overlay.size === sealing.head.size)
        return this.heads.contentAfter(sealing, before);
      const { repositoryId } = sealing.head;
      const plain = { volume: sealing.head.data, size: sealing.head.size };
      return this.heads.content({ repositoryId, volumeId: sealing.volumeId, plain });
    };
    return open.exchange(keys, { flush: true }, held, after).catch(async (error: unknown) => {
      if (!committed) await this.heads.discard(sealings.map(({ overlay }) => overlay));
      throw error;
    });
  }

  async #orDiscard<T>(nodes: readonly VolumeNode[], work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      // One that is recorded was committed before something else failed.
      const lost = nodes.filter(({ id }) => this.#store.byId(id) === undefined);
      await this.heads.discard(lost);
      throw error;
    }
  }

  async #overlayOn(snapshotId: string, volumeId: string) {
    const { arrays, portsOf, newId, bootId } = this.#parts;
    const { id: parentId, size, repositoryId } = this.#snapshotNode(snapshotId);
    const node = { id: newId(), parentId, size, volumeId };
    return createOverlay(arrays, portsOf(repositoryId), node, bootId);
  }

  /** What it reads; nothing that it stands on may be merged or deleted meanwhile. */
  async #copyNode({ id }: VolumeNode, to: CopyTarget, call: CopyProgress): Promise<void> {
    const { chains, portsOf } = this.#parts;
    const { index } = await chains.chain(id);
    const from = await openNodes(portsOf, this.#store.chain(id), index);
    try {
      await withVolume(to.ports, to.volume, { write: true }, (device) =>
        copyDevice(from, device, call),
      );
    } finally {
      await from.close();
    }
  }

  async #copyToBase(parent: VolumeNode, call: CopyProgress): Promise<VolumeNode> {
    const { arrays, portsOf, newId } = this.#parts;
    const ports = portsOf(parent.repositoryId);
    const [id, { size }] = [newId(), parent];
    const volume = { tag: id, name: `base-${id}`, size, thin: true };
    const made = nodeVolume(id, await arrays.create(ports, volume, call));
    try {
      await this.#copyNode(parent, { ports, volume: made }, call);
    } catch (error) {
      await this.heads.deleteVolumes(parent.repositoryId, [id]);
      throw error;
    }
    return {
      ...{ id, repositoryId: parent.repositoryId, parentId: undefined, data: made, map: undefined },
      ...{ size, sealed: true, volumeId: undefined, snapshotId: undefined },
    };
  }

  /** What stood on `parent` below the volume stands on `base`, which reads the same. */
  async #standOn<T>(
    volume: LayeredVolume,
    parent: VolumeNode,
    base: VolumeNode,
    keep: (size: number) => T,
  ): Promise<T> {
    const { open } = this.#parts;
    const result = await open.lock([volumeKey(volume.volumeId)], async () =>
      this.#store.transaction(() => {
        const head = this.#store.ofVolume(volume.volumeId);
        const chain = head === undefined ? [] : this.#store.chain(head.id);
        const above = chain.find(({ parentId }) => parentId === parent.id);
        if (head === undefined || above === undefined) {
          throw new Fault('IN_USE', 'the volume was reverted while it was being split');
        }
        this.heads.keep(base);
        this.#store.save({ ...above, parentId: base.id });
        return keep(head.size);
      }),
    );
    await this.heads.refresh([...open.reading(isAt(parent.data)), ...open.opening]);
    return result;
  }

  #node(id: string): VolumeNode {
    const node = this.#store.byId(id);
    if (node === undefined) throw noSnapshot(id);
    return node;
  }

  #snapshotNode(snapshotId: string): VolumeNode {
    const node = this.#store.ofSnapshot(snapshotId);
    if (node === undefined) throw noSnapshot(snapshotId);
    return node;
  }

  /** Within a transaction: the volume has no head any more, and the collector deletes what it was. */
  #dropHead(volumeId: string): void {
    const head = this.#store.ofVolume(volumeId);
    if (head !== undefined) this.#store.save({ ...head, sealed: true, volumeId: undefined });
  }
}

interface CopyTarget {
  readonly ports: RepositoryPorts;
  readonly volume: NodeVolume;
}

function noHead({ volumeId }: LayeredVolume): never {
  throw new TypeError(`volume ${volumeId} was not prepared`);
}
