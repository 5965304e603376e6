/** Frames of parts of the disk (chunk-frame.ts), in any order; what no frame covers is left as it is. */
import { CHUNK_FRAME_HEAD_BYTES, parseChunkFrame } from './chunk-frame.ts';
import { invalidImage } from './image-fault.ts';
import type { ImportJob } from './image-target.ts';
import { IMPORT_WINDOW_BYTES } from './limits.ts';

/** @throws Fault IMAGE_INVALID when a frame leaves the disk, or the stream ends without its last frame */
export async function importChunked({ feed, length, writer, pace }: ImportJob): Promise<void> {
  const head = Buffer.alloc(CHUNK_FRAME_HEAD_BYTES);
  for (;;) {
    await feed.fillExactly(head, 'the head of a chunk');
    const frame = parseChunkFrame(head);
    if (frame === undefined) return;
    const end = frame.offset + frame.length;
    if (end > writer.size) {
      throw invalidImage('chunk', `${frame.offset}…${end}`, `inside of ${writer.size} bytes`);
    }
    for (let at = frame.offset; at < end; ) {
      // Windows end where those of the disk do, so that their neighbours begin with whole units.
      const most = IMPORT_WINDOW_BYTES - (at % IMPORT_WINDOW_BYTES);
      const window = Buffer.allocUnsafeSlow(Math.min(most, end - at));
      await feed.fillExactly(window, 'a chunk');
      await writer.write(window, at);
      at += window.length;
      if (length !== undefined) pace.reach(feed.position, length);
      await pace.spend(window.length);
    }
    pace.check();
    await pace.spend(CHUNK_FRAME_HEAD_BYTES);
  }
}
