import type { VolumeLocator } from '../repositories/index.ts';

/**
 * What one export is made of, as plain data: the control thread decides it, a data worker builds it.
 * Shared memory (overlay state, chunk map) is handed over, never copied.
 */
export interface LayerPlan {
  readonly layerId: string;
  /** Size of the virtual disk in bytes. */
  readonly size: number;
  readonly volume: VolumeLocator;
  /** One bit per 64 KiB chunk, set where the layer holds data; in shared memory. */
  readonly presentChunks: Uint8Array;
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
  readonly layer: LayerPlan;
  /** Absent for a read-only export of the layer itself. */
  readonly overlay: OverlayPlan | undefined;
}
