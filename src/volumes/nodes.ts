/**
 * What a volume is made of when layers do what its array cannot: a tree of nodes.
 *
 *     base      a whole volume of the array, written to no more; has no map: all of it counts as data
 *     layer     what was written between two snapshots: a data volume, and the map of an overlay (vdisk)
 *     overlay   the same while it is written to: the head of one volume, and a leaf
 *
 * A volume is a plain volume of the array until its first snapshot; then that is its base. A node is the head
 * of a volume, or a snapshot, or hidden: something else stands on it.
 */
import type { ArrayRef, VolumeLocator } from '../repositories/index.ts';

/** A volume of the array, as it is found again. */
export interface NodeVolume {
  /** Ours, written on the array's object. */
  readonly tag: string;
  readonly ref: ArrayRef;
  readonly locator: VolumeLocator;
}

export interface VolumeNode {
  readonly id: string;
  readonly repositoryId: string;
  /** What it stands on; undefined: a base. */
  readonly parentId: string | undefined;
  readonly data: NodeVolume;
  /** Undefined: a base. */
  readonly map: NodeVolume | undefined;
  /** Of the disk as seen from it, in bytes; none below it has more. */
  readonly size: number;
  /** False: it is written to. */
  readonly sealed: boolean;
  /** The volume whose head it is. */
  readonly volumeId: string | undefined;
  /** The snapshot that it is. */
  readonly snapshotId: string | undefined;
}

/** The service's records of nodes: in the catalog. Synchronous, as the catalog is. */
export interface NodeStore {
  byId(id: string): VolumeNode | undefined;
  ofVolume(volumeId: string): VolumeNode | undefined;
  ofSnapshot(snapshotId: string): VolumeNode | undefined;
  childrenOf(id: string): readonly VolumeNode[];
  /** The node and all that it stands on, the base first; empty when there is no such node. */
  chain(id: string): readonly VolumeNode[];
  /** Ids of sealed nodes that are no snapshot, and nothing stands on. */
  hiddenLeaves(): readonly string[];
  /** Ids of sealed nodes that are no snapshot, and one node stands on. */
  hiddenBelowOne(): readonly string[];
  save(node: VolumeNode): void;
  delete(id: string): void;

  /**
   * What may be on an array although no record has it: about to be made, or to be deleted. Written before
   * the array is asked, so that a crash leaves nothing behind.
   */
  leftovers(repositoryId: string): readonly string[];
  addLeftover(tag: string, repositoryId: string): void;
  removeLeftover(tag: string): void;

  /** All of `work` or nothing. */
  transaction<T>(work: () => T): T;
}
