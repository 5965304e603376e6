/**
 * READ FIRST: what an export is made of, top to bottom.
 *
 *   machine/NAME                          vdisk/NAME
 *   checked    range, alignment, close    checked
 *   overlay    own block or the layer's?  read-only
 *   layer      holes, shared read cache   layer
 *   volume     the repository's storage   volume
 *
 * Below the overlay its two volumes, `data` and `map`, come from the same repository. A layer is open
 * once per worker, whatever stands on it.
 */
import { type BlockDevice, CheckedDevice, type ReadCache, ReadOnlyDevice } from '../block/index.ts';
import type { VolumeData } from '../repositories/index.ts';
import { type FlushJournal, type FullReason, openLayer, openOverlay } from '../vdisk/index.ts';
import { BorrowedLayer } from './borrowed-layer.ts';
import { LayerTable } from './layer-table.ts';
import type { OverlayPlan, StackPlan } from './stack-plan.ts';

export interface StackParts {
  readonly volumes: VolumeData;
  readonly readCache: ReadCache;
  /** This worker's number: its slot in an overlay's shared statistics. */
  readonly worker: number;
  /** This worker's flush journal; undefined: each flush syncs its overlay's own volumes. */
  readonly journal?: FlushJournal | undefined;
  /** A write of this export was refused for want of space. */
  readonly onFull: (exportName: string, reason: FullReason) => void;
}

/** A built stack: the device on top, and what closes all of it. */
export interface Stack {
  readonly device: BlockDevice;
  close(): Promise<void>;
}

export type StackBuilder = (plan: StackPlan) => Promise<Stack>;

/** Builds stacks for one worker. What was opened is closed again when the rest fails to open. */
export function stackBuilder(parts: StackParts): StackBuilder {
  const { volumes, readCache: cache } = parts;
  const layers = new LayerTable(async ({ layerId, volume, presentChunks }) =>
    openLayer({
      volume: await volumes.open(volume, { write: false }),
      presentChunks,
      layerId,
      cache,
    }),
  );
  return async (plan) => {
    const layer = await layers.use(plan.layer);
    try {
      const base = new BorrowedLayer(layer.device);
      const inner =
        plan.overlay === undefined
          ? new ReadOnlyDevice(base)
          : await openOverlayOf(plan.name, plan.overlay, base, parts);
      const device = new CheckedDevice(inner);
      const close = async (): Promise<void> => {
        try {
          await device.close();
        } finally {
          await layer.release();
        }
      };
      return { device, close };
    } catch (error) {
      await layer.release();
      throw error;
    }
  };
}

async function openOverlayOf(
  exportName: string,
  plan: OverlayPlan,
  base: BorrowedLayer,
  parts: StackParts,
): Promise<BlockDevice> {
  const data = await parts.volumes.open(plan.data, { write: true });
  try {
    const map = await parts.volumes.open(plan.map, { write: true });
    const onFull = (reason: FullReason): void => parts.onFull(exportName, reason);
    const journal = parts.journal && { journal: parts.journal, key: plan.data.volume };
    try {
      const { worker } = parts;
      return openOverlay({ state: plan.state, base, data, map, worker, onFull, journal });
    } catch (error) {
      await map.close();
      throw error;
    }
  } catch (error) {
    await data.close();
    throw error;
  }
}
