import { setImmediate } from 'node:timers/promises';
import { type BlockDevice, PLAIN, PLAIN_ZERO, type ReadableBlockDevice } from '../block/index.ts';
import { COPY_BYTES, COPY_FLUSH_BYTES } from './limits.ts';

export interface CopyProgress {
  readonly signal: AbortSignal;
  /** @param fraction 0 … 1 */
  readonly progress: (fraction: number) => void;
}

/**
 * Copies all of a device to the beginning of another one that reads as zeroes: holes, and pieces that are
 * zeroes, are left out. On stable storage when it settles.
 * @throws BlockError; the signal's reason when it is cancelled
 */
export async function copyDevice(
  from: ReadableBlockDevice,
  to: BlockDevice,
  call: CopyProgress,
): Promise<void> {
  const { size } = from.geometry;
  const most = Math.min(COPY_BYTES, from.geometry.maximumIo, to.geometry.maximumIo);
  const buffer = Buffer.allocUnsafeSlow(most);
  let unflushed = 0;
  for (let at = 0; at < size; ) {
    call.signal.throwIfAborted();
    const run = await dataFrom(from, at, size);
    for (at = run.start; at < run.end; ) {
      call.signal.throwIfAborted();
      const piece = buffer.subarray(0, Math.min(most, run.end - at));
      await from.read(piece, at);
      if (!isZero(piece)) {
        await to.write(piece, at, PLAIN);
        unflushed += piece.length;
      }
      at += piece.length;
      if (unflushed >= COPY_FLUSH_BYTES) {
        unflushed = 0;
        await to.flush();
      }
      await setImmediate();
    }
    call.progress(at / size);
  }
  await to.flush();
}

/** The next stretch that may hold data; empty at the end. */
async function dataFrom(
  device: ReadableBlockDevice,
  offset: number,
  size: number,
): Promise<{ readonly start: number; readonly end: number }> {
  if (!device.capabilities.extents) return { start: offset, end: size };
  const unit = device.geometry.minimumIo;
  for (let at = offset; at < size; ) {
    for (const extent of await device.extents(at, size - at, 64)) {
      const end = extent.offset + extent.length;
      if (extent.kind === 'data') {
        const start = Math.floor(Math.max(at, extent.offset) / unit) * unit;
        return { start, end: Math.min(size, Math.ceil(end / unit) * unit) };
      }
      at = end;
    }
  }
  return { start: size, end: size };
}

function isZero(bytes: Buffer): boolean {
  return bytes[0] === 0 && bytes.equals(ZEROES.subarray(0, bytes.length));
}

const ZEROES = Buffer.alloc(COPY_BYTES);

/** A range that reads as zeroes afterwards, whatever the device can do. */
export async function zeroRange(
  device: BlockDevice,
  offset: number,
  length: number,
): Promise<void> {
  if (length === 0) return;
  if (device.capabilities.zero) {
    await device.zero(offset, length, PLAIN_ZERO);
    return;
  }
  const most = Math.min(COPY_BYTES, device.geometry.maximumIo);
  for (let done = 0; done < length; done += most) {
    await device.write(ZEROES.subarray(0, Math.min(most, length - done)), offset + done, PLAIN);
  }
}
