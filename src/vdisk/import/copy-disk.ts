/**
 * Image → volume and manifest, in one pass. A chunk of zeroes is neither written nor named: the
 * volume starts out as zeroes.
 */
import { subtle } from 'node:crypto';
import type { BlockDevice } from '../../block/index.ts';
import { FLUSH_EVERY_BYTES, writeAll } from '../layers/index.ts';
import { CHUNK_BYTES, type ManifestWriter } from '../manifest/index.ts';
import type { ImageWindows, Window } from './image-windows.ts';

const ZEROES = Buffer.alloc(CHUNK_BYTES);

export interface CopyHooks {
  /** @throws Fault CANCELLED */
  readonly checkCancelled: () => void;
  /** Bytes of the disk looked at so far. */
  readonly progress: (bytesDone: number) => void;
  /** Called after every flush. @throws Fault NO_SPACE */
  readonly checkSpace: () => Promise<void>;
}

/** @returns bytes that hold data */
export async function copyDisk(
  windows: ImageWindows,
  device: BlockDevice,
  manifest: ManifestWriter,
  hooks: CopyHooks,
): Promise<number> {
  let dataBytes = 0;
  let flushed = 0;
  await windows.forEach(async (window) => {
    hooks.checkCancelled();
    for (const stretch of presentStretches(window)) {
      const bytes = window.bytes.subarray(stretch.start, stretch.end);
      await writeAll(device, bytes, window.offset + stretch.start);
      await nameChunks(manifest, bytes, window.offset + stretch.start);
      dataBytes += bytes.length;
    }
    if (dataBytes - flushed >= FLUSH_EVERY_BYTES) {
      flushed = dataBytes;
      await device.flush();
      await hooks.checkSpace();
    }
    hooks.progress(window.end);
  });
  await device.flush();
  return dataBytes;
}

/** The stretches of a window without their chunks of zeroes. */
export function presentStretches(window: Window): { start: number; end: number }[] {
  const present: { start: number; end: number }[] = [];
  for (const stretch of window.stretches) {
    for (let start = stretch.start; start < stretch.end; start += CHUNK_BYTES) {
      const end = Math.min(start + CHUNK_BYTES, stretch.end);
      if (ZEROES.compare(window.bytes, start, end, 0, end - start) === 0) continue;
      const last = present.at(-1);
      if (last?.end === start) last.end = end;
      else present.push({ start, end });
    }
  }
  return present;
}

/** Hashed in the thread pool, a window at once: this is the control thread. */
async function nameChunks(
  manifest: ManifestWriter,
  bytes: Buffer<ArrayBuffer>,
  offset: number,
): Promise<void> {
  const hashes: Promise<ArrayBuffer>[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    hashes.push(subtle.digest('SHA-256', bytes.subarray(at, at + CHUNK_BYTES)));
  }
  const first = offset / CHUNK_BYTES;
  for (const [index, hash] of (await Promise.all(hashes)).entries()) {
    await manifest.add(first + index, Buffer.from(hash));
  }
}
