/** Requests of any length over devices that take only so much at once, and end somewhere. */
import { isPromise } from '../../base/index.ts';
import {
  type BlockDevice,
  PLAIN,
  PLAIN_ZERO,
  type ReadableBlockDevice,
} from '../../block/index.ts';
import { REPLICATION_ZERO_BYTES } from './limits.ts';

const ZERO_STRIDE = Buffer.alloc(64 * 1024);

/** Beyond its end a device reads as zeroes. @returns bytes that were read */
export async function readPadded(
  device: ReadableBlockDevice,
  target: Buffer,
  offset: number,
): Promise<number> {
  const length = Math.max(0, Math.min(target.length, device.geometry.size - offset));
  const step = device.geometry.maximumIo;
  for (let done = 0; done < length; done += step) {
    const piece = target.subarray(done, Math.min(done + step, length));
    const reading = device.read(piece, offset + done);
    if (isPromise(reading)) await reading;
  }
  target.fill(0, length);
  return length;
}

export async function writeAll(device: BlockDevice, source: Buffer, offset: number): Promise<void> {
  const step = device.geometry.maximumIo;
  for (let done = 0; done < source.length; done += step) {
    const piece = source.subarray(done, Math.min(done + step, source.length));
    const writing = device.write(piece, offset + done, PLAIN);
    if (isPromise(writing)) await writing;
  }
}

export async function zeroAll(
  device: BlockDevice,
  offset: number,
  length: number,
  signal: AbortSignal,
): Promise<void> {
  const step = device.capabilities.zero ? REPLICATION_ZERO_BYTES : ZERO_STRIDE.length;
  for (let done = 0; done < length; done += step) {
    signal.throwIfAborted();
    const piece = Math.min(step, length - done);
    if (device.capabilities.zero) {
      const zeroing = device.zero(offset + done, piece, PLAIN_ZERO);
      if (isPromise(zeroing)) await zeroing;
    } else await writeAll(device, ZERO_STRIDE.subarray(0, piece), offset + done);
  }
}
