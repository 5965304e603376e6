import type { VolumeLocator } from '../repositories/index.ts';

/**
 * What one export is made of, as plain data: the control thread decides it, a data worker builds it.
 * Shared memory (overlay state, chain index) is handed over, never copied.
 */
export interface ChainPlan {
  /** Names the uppermost layer, and so all of it. */
  readonly layerId: string;
  /** Which copies of its layers it is read from, where they have several; chains of others are others. */
  readonly copies?: string;
  /** Of the disk in bytes; of what grew since its uppermost layer was sealed, more than that has. */
  readonly size: number;
  /** Which layer each block is read from (vdisk/chain); in shared memory. */
  readonly index: SharedArrayBuffer;
  /** The base first. */
  readonly layers: readonly LayerPlan[];
  /**
   * The number of its content, from 1, the same in all workers: they share blocks of it that come from slow
   * storage (block/shared-cache.ts). Absent: they do not.
   */
  readonly content?: number;
}

export interface LayerPlan {
  readonly layerId: string;
  readonly volume: VolumeLocator;
  /** Of the layer in bytes; given, the volume may be opened when it is first read. */
  readonly size?: number;
}

export interface OverlayPlan {
  /** The overlay's whole mutable state, shared by every worker that has it open. */
  readonly state: SharedArrayBuffer;
  readonly data: VolumeLocator;
  readonly map: VolumeLocator;
}

export interface PlanHead {
  /** Names what may be shared: two connections with equal keys get the same devices. */
  readonly key: string;
  /** The export's name as clients know it. */
  readonly name: string;
  readonly description: string;
  /** What passes through it is counted here (traffic.ts). Absent: it is not. */
  readonly traffic?: SharedArrayBuffer | undefined;
}

/** What a machine writes, or a vDisk's version. */
export interface DiskPlan extends PlanHead {
  readonly chain: ChainPlan;
  /** Absent for a read-only export of the chain itself. */
  readonly overlay: OverlayPlan | undefined;
  /** The machine boots: what it reads of the chain is noted here (vdisk/trace/access-recorder.ts). */
  readonly record?: SharedArrayBuffer | undefined;
  readonly volume?: undefined;
}

/** A repository's volume or a snapshot of one; connections stay while what it is made of is exchanged. */
export interface VolumePlan extends PlanHead {
  readonly volume: VolumeStack;
  /** Nobody writes it. */
  readonly readOnly: boolean;
  /** Whom this plan is for only reads it; others may write it, and it is opened as for them. */
  readonly view?: 'read-only';
}

export type VolumeStack =
  /** A volume, or a snapshot, of the array as it is. */
  | { readonly kind: 'plain'; readonly locator: VolumeLocator }
  | {
      readonly kind: 'layers';
      readonly chain: ChainPlan;
      /** Overlays that were sealed above the chain, the lowest first: its index does not have them yet. */
      readonly sealed: readonly OverlayPlan[];
      /** Absent for a snapshot. */
      readonly overlay: OverlayPlan | undefined;
    };

export type StackPlan = DiskPlan | VolumePlan;
