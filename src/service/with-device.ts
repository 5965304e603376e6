import type { BlockDevice } from '../block/index.ts';
import type { VolumeData, VolumeLocator } from '../repositories/index.ts';

/** Opens the volume to be written for as long as the work takes. */
export async function withDevice<T>(
  volumes: VolumeData,
  locator: VolumeLocator,
  work: (device: BlockDevice) => Promise<T>,
): Promise<T> {
  const device = await volumes.open(locator, { write: true });
  try {
    return await work(device);
  } finally {
    await device.close();
  }
}
