/**
 * Heads of volumes: opening them for workers, and the step that every snapshot, clone of a volume and growth
 * is made of: the head is sealed, and a new, empty overlay is written to from then on.
 */
import { Fault } from '../errors/index.ts';
import { SEALED_ABOVE_INDEX } from './limits.ts';
import type { NodeChain } from './node-chains.ts';
import type { NodeVolume, VolumeNode } from './nodes.ts';
import { snapshotKey, type VolumeContent, volumeKey } from './open-volumes.ts';
import {
  createOverlay,
  isLayer,
  type LayerNode,
  type OverlayParts,
  openOverlayParts,
  settleNode,
  tagsOf,
} from './overlay-volumes.ts';
import type { TreeParts } from './tree-parts.ts';

/** A volume whose repository takes snapshots by layers. */
export interface LayeredVolume {
  readonly repositoryId: string;
  readonly volumeId: string;
  /** What it is while it has no node: a whole volume of the array, of so many bytes. */
  readonly plain: { readonly volume: NodeVolume; readonly size: number };
}

/** A head that is about to be sealed; nothing has happened to it yet. */
export interface Sealing {
  readonly volumeId: string;
  readonly head: VolumeNode;
  /** What is written to afterwards. */
  readonly overlay: LayerNode;
  readonly parts: OverlayParts;
  /** Of a head that is a whole volume: the chain that it becomes. */
  readonly baseChain: NodeChain | undefined;
}

export class VolumeHeads {
  readonly #parts: TreeParts;

  constructor(parts: TreeParts) {
    this.#parts = parts;
  }

  /** For a worker; given back with `release`. @throws Fault, ArrayError, BlockError */
  async useVolume(volume: LayeredVolume): Promise<VolumeContent> {
    const { open } = this.#parts;
    return open.use(volumeKey(volume.volumeId), {
      make: () => this.content(volume),
      closed: () => this.#closed(volume),
    });
  }

  /** @throws Fault NOT_FOUND, BlockError */
  async useSnapshot(snapshotId: string): Promise<VolumeContent> {
    const { store, open, chains } = this.#parts;
    return open.use(snapshotKey(snapshotId), {
      make: async () => {
        const node = store.ofSnapshot(snapshotId);
        if (node === undefined) throw noSnapshot(snapshotId);
        const chain = await chains.chain(node.id);
        return { kind: 'layers', chain, sealed: [], overlay: undefined };
      },
      closed: async () => {},
    });
  }

  /** What the volume is made of, flattened. */
  async content(volume: LayeredVolume, known?: VolumeContent): Promise<VolumeContent> {
    const { store, chains, portsOf } = this.#parts;
    const head = store.ofVolume(volume.volumeId);
    if (head === undefined) return { kind: 'plain', locator: volume.plain.volume.locator };
    if (!isLayer(head) || head.parentId === undefined) throw noSnapshot(head.id);
    const before = known?.kind === 'layers' ? known.chain : undefined;
    const chain = await chains.chain(head.parentId, head.size, before);
    // What workers share of an overlay they share as long as any of them has it open.
    const shared = known?.kind === 'layers' ? known.overlay : undefined;
    const isSame = shared !== undefined && shared.data.volume === head.data.locator.volume;
    const overlay = isSame
      ? shared
      : await openOverlayParts(portsOf(head.repositoryId), head, this.#parts);
    return { kind: 'layers', chain, sealed: [], overlay };
  }

  /** The head, or the node that a plain volume becomes with its first snapshot. */
  headOf({ repositoryId, volumeId, plain }: LayeredVolume): VolumeNode {
    const known = this.#parts.store.ofVolume(volumeId);
    if (known !== undefined) return known;
    return {
      ...{ id: this.#parts.newId(), repositoryId, parentId: undefined, size: plain.size },
      ...{ data: plain.volume, map: undefined, sealed: false, volumeId, snapshotId: undefined },
    };
  }

  /**
   * Makes what is needed, while the volume is still written to as before. Its key is locked.
   * @param size of the disk from then on, in bytes; undefined: as it is
   */
  async prepare(volume: LayeredVolume, size?: number): Promise<Sealing> {
    const { arrays, portsOf, chains, newId, bootId, open } = this.#parts;
    const { volumeId } = volume;
    const head = this.headOf(volume);
    const ports = portsOf(volume.repositoryId);
    const node = { id: newId(), parentId: head.id, size: size ?? head.size, volumeId };
    const overlay = await createOverlay(arrays, ports, node, bootId);
    try {
      const parts = await openOverlayParts(ports, overlay, this.#parts);
      const baseChain = isLayer(head) ? undefined : chains.baseChain(head);
      // Where workers have it open they flush it while they hold.
      if (!open.isOpen(volumeKey(volumeId))) await settleNode(ports, head, bootId);
      return { volumeId, head, overlay, parts, baseChain };
    } catch (error) {
      await this.discard([overlay]);
      throw error;
    }
  }

  /** Within a transaction. @param snapshotId undefined: the sealed node is hidden */
  commit({ head, overlay }: Sealing, snapshotId: string | undefined): void {
    const { store } = this.#parts;
    // What stands below it may have been merged since.
    const now = store.byId(head.id) ?? head;
    store.save({ ...now, sealed: true, volumeId: undefined, snapshotId });
    this.keep(overlay);
  }

  /** Within a transaction: a node whose volumes were made for it. */
  keep(node: VolumeNode): void {
    const { store, arrays } = this.#parts;
    store.save(node);
    for (const tag of tagsOf(node)) arrays.kept(tag);
  }

  /** What was prepared is not wanted. Never throws. */
  async discard(nodes: readonly VolumeNode[]): Promise<void> {
    for (const node of nodes) await this.deleteVolumes(node.repositoryId, tagsOf(node));
  }

  /** Of doomed ones; what fails is left to the next sweep. Never throws. */
  async deleteVolumes(repositoryId: string, tags: readonly string[]): Promise<void> {
    const { arrays, portsOf, troubled } = this.#parts;
    for (const tag of tags) {
      try {
        await arrays.delete(portsOf(repositoryId), tag);
      } catch (error) {
        troubled(`deleting ${tag} in repository ${repositoryId}`, error);
      }
    }
  }

  /** What an open volume is made of after it was sealed. */
  contentAfter({ parts, baseChain, head, overlay }: Sealing, before: VolumeContent): VolumeContent {
    const isLarger = overlay.size > head.size;
    if (before.kind === 'plain' || before.overlay === undefined || isLarger) {
      if (baseChain === undefined || isLarger)
        throw new TypeError('a head that is not a whole volume');
      return { kind: 'layers', chain: baseChain, sealed: [], overlay: parts };
    }
    const sealed = [...before.sealed, before.overlay];
    return { kind: 'layers', chain: before.chain, sealed, overlay: parts };
  }

  /** What an open volume or snapshot is made of now that others stand below it. */
  async renewed(key: string, before: VolumeContent): Promise<VolumeContent> {
    const { store, chains } = this.#parts;
    const id = key.slice(key.indexOf(':') + 1);
    const node = key === volumeKey(id) ? store.ofVolume(id) : store.ofSnapshot(id);
    if (node === undefined) return before;
    const { repositoryId, size, data } = node;
    if (node.volumeId === undefined) {
      const chain = await chains.chain(node.id);
      return { kind: 'layers', chain, sealed: [], overlay: undefined };
    }
    return this.content({ repositoryId, volumeId: id, plain: { volume: data, size } }, before);
  }

  /**
   * Exchanges what is open of these, when what reads the same took the place of something below it. Never
   * throws: what cannot be exchanged goes on with what it has, which is why nobody may delete that
   * (OpenVolumes.reading).
   */
  async refresh(keys: readonly string[]): Promise<void> {
    const { open, troubled } = this.#parts;
    try {
      await open.lock(keys, async () => {
        const contents = new Map<string, VolumeContent>();
        for (const key of keys) {
          const before = open.content(key);
          if (before !== undefined) contents.set(key, await this.renewed(key, before));
        }
        const now = (key: string, before: VolumeContent): VolumeContent =>
          contents.get(key) ?? before;
        await open.exchange(keys, { flush: false }, async () => {}, now);
      });
    } catch (error) {
      troubled(`exchanging what ${keys.join(', ')} are made of`, error);
    }
  }

  /** Where many were sealed above the index of an open volume: the index is made anew. Never throws. */
  async flatten(volume: LayeredVolume, beyond = SEALED_ABOVE_INDEX): Promise<void> {
    const { open } = this.#parts;
    const key = volumeKey(volume.volumeId);
    const isDeep = (): boolean => {
      const content = open.content(key);
      return content?.kind === 'layers' && content.sealed.length > beyond;
    };
    if (!isDeep()) return;
    await this.refresh([key]);
  }

  /** What was acknowledged survives a clean restart of the host as well. */
  async #closed({ repositoryId, volumeId }: LayeredVolume): Promise<void> {
    const { store, portsOf, bootId } = this.#parts;
    const head = store.ofVolume(volumeId);
    if (head !== undefined) await settleNode(portsOf(repositoryId), head, bootId);
  }
}

export function noSnapshot(id: string): Fault {
  return new Fault('NOT_FOUND', `there is no snapshot ${id}`, { field: 'snapshot', value: id });
}
