import type { VolumeLocator } from '../repositories/index.ts';

/**
 * What one export is made of, as plain data: the control thread decides it, a data worker builds it.
 * Shared memory (overlay state, chain index) is handed over, never copied.
 */
export interface ChainPlan {
  /** Names the uppermost layer, and so all of it. */
  readonly layerId: string;
  /** Size of the virtual disk in bytes. */
  readonly size: number;
  /** Which layer each block is read from (vdisk/chain); in shared memory. */
  readonly index: SharedArrayBuffer;
  /** The base first. */
  readonly layers: readonly LayerPlan[];
}

export interface LayerPlan {
  readonly layerId: string;
  readonly volume: VolumeLocator;
}

export interface OverlayPlan {
  /** The overlay's whole mutable state, shared by every worker that has it open. */
  readonly state: SharedArrayBuffer;
  readonly data: VolumeLocator;
  readonly map: VolumeLocator;
}

export interface StackPlan {
  /** Names what may be shared: two connections with equal keys get the same devices. */
  readonly key: string;
  /** The export's name as clients know it. */
  readonly name: string;
  readonly description: string;
  readonly chain: ChainPlan;
  /** Absent for a read-only export of the chain itself. */
  readonly overlay: OverlayPlan | undefined;
}
