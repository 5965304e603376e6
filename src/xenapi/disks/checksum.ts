import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { ReadableBlockDevice } from '../../block/index.ts';
import type { Call } from '../call.ts';
import { COPY_PIECE_BYTES } from './limits.ts';

/** MD5 of all bytes of a device, in hex. @throws BlockError; the signal's reason */
export async function checksumOf(
  device: Pick<ReadableBlockDevice, 'geometry' | 'read'>,
  { signal, progress }: Pick<Call, 'signal' | 'progress'>,
): Promise<string> {
  const { size, maximumIo } = device.geometry;
  const hash = createHash('md5');
  const buffer = Buffer.allocUnsafe(Math.min(COPY_PIECE_BYTES, maximumIo));
  for (let at = 0; at < size; ) {
    signal.throwIfAborted();
    const piece = buffer.subarray(0, Math.min(buffer.length, size - at));
    await device.read(piece, at);
    hash.update(piece);
    at += piece.length;
    progress(at / size);
    await setImmediate();
  }
  return hash.digest('hex');
}
