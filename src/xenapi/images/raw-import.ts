/** A body that is the disk, from its first byte on. What it does not reach is left as it is. */
import { endsEarly } from './image-fault.ts';
import type { ImportJob } from './image-target.ts';
import { IMPORT_WINDOW_BYTES } from './limits.ts';

/**
 * Whoever does not know the length announces far too much and breaks off: what has come is written first.
 * @throws Fault IMAGE_INVALID when the body is shorter than announced, or longer than the disk, once the disk is full; BlockError
 */
export async function importRaw({ feed, length, writer, pace }: ImportJob): Promise<void> {
  const total = Math.min(length ?? writer.size, writer.size);
  for (let at = 0; ; ) {
    const window = Buffer.allocUnsafeSlow(IMPORT_WINDOW_BYTES);
    const got = await feed.fill(window);
    if (got === 0) {
      if (length !== undefined && at < length) throw endsEarly(at, 'the disk');
      return;
    }
    const inside = Math.min(got, writer.size - at);
    if (inside > 0) await writer.write(window.subarray(0, inside), at);
    // The rest has no place: it is the device that says so.
    if (inside < got) await writer.write(window.subarray(inside, got), at + inside);
    at += got;
    pace.reach(at, total);
    await pace.spend(got);
  }
}
