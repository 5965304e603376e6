import { Fault } from '../errors/index.ts';
import type { VolumeControl } from './ports.ts';

/** Deletes volumes, one after the other; one that is already gone is fine. */
export async function deleteVolumes(
  volumes: Pick<VolumeControl, 'deleteVolume'>,
  ids: readonly string[],
): Promise<void> {
  for (const id of ids) {
    try {
      await volumes.deleteVolume(id);
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'NOT_FOUND')) throw error;
    }
  }
}
