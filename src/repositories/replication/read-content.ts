import type { ReadableBlockDevice } from '../../block/index.ts';
import { chunkRuns, wholeOf } from './chunk-runs.ts';
import { ContentSum, chunkDigest } from './content-sum.ts';
import { REPLICATION_CHUNK_BYTES as CHUNK, REPLICATION_WINDOW_BYTES as WINDOW } from './limits.ts';
import type { Throttle } from './throttle.ts';
import { readPadded } from './whole-io.ts';
import { WindowSlots } from './window-slots.ts';

export interface ReadContentWork {
  readonly throttle: Throttle;
  readonly signal: AbortSignal;
  /** @param position bytes, of the size */
  readonly progress?: (position: number) => void;
}

export interface ReadContent {
  readonly contentId: string;
  readonly sum: string;
  /** Bytes that were read: holes are not. */
  readonly read: number;
}

/**
 * Reads all of a point: what copyPoint has summed up must come out again.
 * @param size of the point: its replica may be larger, and reads as zeroes from there on
 * @throws BlockError of the device; the signal's reason
 */
export async function readContent(
  device: ReadableBlockDevice,
  size: number,
  work: ReadContentWork,
): Promise<ReadContent> {
  const sum = new ContentSum();
  const slots = new WindowSlots();
  let read = 0;
  try {
    for await (const run of chunkRuns(wholeOf(device)(0), 0, device.geometry.size)) {
      if (run.kind === 'hole') continue;
      for (let at = run.offset; at < run.offset + run.length; at += WINDOW) {
        work.signal.throwIfAborted();
        const length = Math.min(WINDOW, run.offset + run.length - at);
        await work.throttle.take(length, work.signal);
        await slots.run(async ([buffer]) => {
          const window = buffer.subarray(0, Math.ceil(length / CHUNK) * CHUNK);
          read += await readPadded(device, window, at);
          for (let done = 0; done < window.length; done += CHUNK) {
            const digest = chunkDigest(window.subarray(done, done + CHUNK));
            sum.add((at + done) / CHUNK, digest);
          }
        });
        work.progress?.(Math.min(at + length, size));
      }
    }
  } finally {
    await slots.settle();
  }
  return { contentId: sum.contentId(size), sum: sum.toText(), read };
}
