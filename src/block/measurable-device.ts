/** Devices that may become larger, or smaller, while they are open: LUNs, disks of the host. */
import type { BlockDevice } from './block-device.ts';

export interface MeasurableDevice extends BlockDevice {
  /** Bytes, as every way to the device has seen them last; `geometry.size` is what it had when it was opened. */
  readonly currentSize: number;
  /** Asks. @returns bytes @throws BlockError nobody answers */
  measure(): Promise<number>;
}

export function isMeasurable(device: BlockDevice): device is MeasurableDevice {
  return 'measure' in device && typeof device.measure === 'function' && 'currentSize' in device;
}

/** Bytes, as far as is known without asking. */
export function currentSizeOf(device: BlockDevice): number {
  return isMeasurable(device) ? device.currentSize : device.geometry.size;
}
