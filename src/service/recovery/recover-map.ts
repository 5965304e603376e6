import type { VolumeData, VolumeLocator } from '../../repositories/index.ts';
import { recoverOverlay } from '../../vdisk/index.ts';
import type { Opening } from './messages.ts';

/** @throws BlockError as recoverOverlay does */
export type RecoverMap = (
  volumes: VolumeData,
  map: VolumeLocator,
  opening: Opening,
) => Promise<SharedArrayBuffer>;

/** In this thread. The volume is closed again. */
export const recoverMap: RecoverMap = async (volumes, map, opening) => {
  const device = await volumes.open(map, { write: true });
  try {
    return await recoverOverlay({ map: device, ...opening });
  } finally {
    await device.close();
  }
};
