import type { VolumeData, VolumeLocator } from '../../repositories/index.ts';
import { recoverOverlay } from '../../vdisk/index.ts';
import { withDevice } from '../with-device.ts';
import type { Opening } from './messages.ts';

/** @throws BlockError as recoverOverlay does */
export type RecoverMap = (
  volumes: VolumeData,
  map: VolumeLocator,
  opening: Opening,
) => Promise<SharedArrayBuffer>;

/** In this thread. The volume is closed again. */
export const recoverMap: RecoverMap = (volumes, map, opening) =>
  withDevice(volumes, map, (device) => recoverOverlay({ map: device, ...opening }));
