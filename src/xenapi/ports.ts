/** What XenAPI asks of the rest of the service beside the control plane's operations. */
import type { BlockDevice } from '../block/index.ts';
import type { SnapshotName, VolumeName } from '../control/index.ts';

/** What a VDI's blocks are: a volume, a snapshot, or a sealed version of a vDisk. */
export type DiskName = VolumeName | SnapshotName | { readonly versionId: string };

export interface OpenDisk {
  readonly device: BlockDevice;
  /** To be called once, whatever happened. Settles when nothing of it is under way any more. */
  close(): Promise<void>;
}

/** Blocks, for what reads or writes them itself: import, export, copies over a base. */
export interface DiskPort {
  /**
   * Counted as a use of it until it is closed: nothing deletes or reverts it meanwhile, nor detaches its repository. With
   * `write` nobody else has it open, NBD clients neither; without, nobody writes it. It may grow: what is open does not.
   * @throws Fault NOT_FOUND, UNAVAILABLE (its repository is not attached), IN_USE: somebody has it open who must not at
   *   the same time, by name in `value`; with `write`: INVALID_INPUT of what cannot be written
   */
  open(what: DiskName, options: { readonly write: boolean }): Promise<OpenDisk>;
  /** Who has it open, NBD clients too, for people. None: nobody; of versions it is never told. */
  users(what: DiskName): readonly string[];
}
