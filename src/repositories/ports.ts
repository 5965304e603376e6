/**
 * THE TWO PORTS that every adapter implements: control (array-control.ts: volumes, snapshots, clones, masking,
 * replication) and data (below: a volume as a BlockDevice). Control runs on the main thread, data in the workers;
 * a locator is what crosses. VolumeControl is the part of the control port that layers and overlays need.
 */
import type { BlockDevice } from '../block/index.ts';

/**
 * How to reach a volume or a snapshot: plain data that survives structured cloning and JSON, and holds no secret.
 * Only the adapter named in it reads `address`.
 */
export interface VolumeLocator {
  readonly adapter: string;
  /** Id of the repository; absent: the one that the service keeps in its data folder. */
  readonly repository?: string;
  readonly volume: string;
  readonly address: Readonly<Record<string, string | number>>;
}

export interface Volume {
  readonly id: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes that it really occupies. */
  readonly allocated: number;
  readonly locator: VolumeLocator;
}

export interface RepositorySpace {
  /** Bytes. */
  readonly total: number;
  /** Bytes that new data may still occupy. */
  readonly free: number;
}

/** What new data may be checked against, in bytes: where nobody knows the space, the array itself refuses what it cannot take. */
export function freeBytesOf(space: RepositorySpace | undefined): number {
  return space?.free ?? Number.POSITIVE_INFINITY;
}

/** Every method fails with a Fault: NOT_FOUND, ALREADY_EXISTS, INVALID_INPUT, NO_SPACE, PERMISSION_DENIED. */
export interface VolumeControl {
  /**
   * A thin volume that reads as zeroes; on stable storage when it settles.
   * @param volume.id a name of letters, digits, `.`, `_` and `-`
   * @param volume.size bytes
   */
  createVolume(volume: { readonly id: string; readonly size: number }): Promise<Volume>;
  /** Whoever has it open keeps what they have; nobody can open it any more. */
  deleteVolume(id: string): Promise<void>;
  showVolume(id: string): Promise<Volume>;
  listVolumes(): Promise<readonly Volume[]>;
  /** undefined: nobody can tell. */
  space(): Promise<RepositorySpace | undefined>;
}

export interface VolumeData {
  /**
   * Several threads may have one volume open. Writes of one handle are seen by all.
   * @throws BlockError of operation `open`
   */
  open(locator: VolumeLocator, options: { readonly write: boolean }): Promise<BlockDevice>;
  /** Ends sessions and connections that handles share. Handles that are still open fail from then on. */
  close?(): Promise<void>;
}
