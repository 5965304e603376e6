/**
 * READ FIRST: what an export is made of, top to bottom.
 *
 *   machine/NAME                          vdisk/NAME
 *   checked    range, alignment, close    checked
 *   overlay    own block or the layer's?  read-only
 *   layer      holes, shared read cache   layer
 *   volume     the repository's storage   volume
 *
 * Below the overlay its two volumes, `data` and `map`, come from the same repository.
 */
import { type BlockDevice, CheckedDevice, type ReadCache, ReadOnlyDevice } from '../block/index.ts';
import type { VolumeData } from '../repositories/index.ts';
import { openLayer, openOverlay } from '../vdisk/index.ts';
import type { LayerPlan, OverlayPlan, StackPlan } from './stack-plan.ts';

export interface StackParts {
  readonly volumes: VolumeData;
  readonly readCache: ReadCache;
  /** This worker's number: its slot in an overlay's shared statistics. */
  readonly worker: number;
  /** A write of this overlay was refused for want of space. */
  readonly onFull: (key: string) => void;
}

/** Builds the stack. What was opened is closed again when a later layer fails to open. */
export async function buildStack(plan: StackPlan, parts: StackParts): Promise<BlockDevice> {
  const layer = await buildLayer(plan.layer, parts);
  if (plan.overlay === undefined) return new CheckedDevice(new ReadOnlyDevice(layer));
  try {
    return new CheckedDevice(await buildOverlay(plan.key, plan.overlay, layer, parts));
  } catch (error) {
    await layer.close();
    throw error;
  }
}

async function buildLayer(plan: LayerPlan, parts: StackParts) {
  const volume = await parts.volumes.open(plan.volume, { write: false });
  return openLayer({
    volume,
    presentChunks: plan.presentChunks,
    layerId: plan.layerId,
    cache: parts.readCache,
  });
}

async function buildOverlay(
  key: string,
  plan: OverlayPlan,
  base: Awaited<ReturnType<typeof buildLayer>>,
  parts: StackParts,
): Promise<BlockDevice> {
  const data = await parts.volumes.open(plan.data, { write: true });
  try {
    const map = await parts.volumes.open(plan.map, { write: true });
    const { worker } = parts;
    return openOverlay({
      state: plan.state,
      base,
      data,
      map,
      worker,
      onFull: () => parts.onFull(key),
    });
  } catch (error) {
    await data.close();
    throw error;
  }
}
