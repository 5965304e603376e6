/** A thread that reads a bitmap while another changes it. Started by paged-bitmap.test.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { PagedBitmap } from '../../../src/base/index.ts';

export interface ReadingTask {
  readonly shared: SharedArrayBuffer;
  readonly stop: SharedArrayBuffer;
}

export const PAGE_BITS = 32_768;

/** Set as long as the page is read: one in each group of 256 bits, and which one says which page it is. */
export const anchorOf = (page: number, group: number): number =>
  page * PAGE_BITS + group * 256 + 2 * ((page * 37 + group) % 128);

/** Comes and goes: never an even bit. */
export const guestOf = (page: number, n: number): number =>
  page * PAGE_BITS + ((n * 129 + page * 257) % (PAGE_BITS / 2)) * 2 + 1;

/** Pages whose guests come and go; those after them get more and more until they are plain; the last one has no anchors. */
export const STEADY = 6;
export const PAGES = 16;
export const BARE = PAGES - 1;

/** Guests of a page when nothing is changed; while it is, one more. */
export const STAY = 4;

/** What was read that cannot have been; empty: nothing. */
function read({ shared, stop }: ReadingTask): { reads: number; wrong: string[] } {
  const bitmap = new PagedBitmap(shared, 0, PAGES);
  const flag = new Int32Array(stop);
  const wrong: string[] = [];
  let reads = 0;
  for (; Atomics.load(flag, 0) === 0 && wrong.length < 5; reads += 1) {
    const page = (reads * 7) % BARE;
    const group = (reads * 13) % 128;
    const anchor = anchorOf(page, group);
    const first = page * PAGE_BITS + group * 256;
    if (!bitmap.test(anchor)) wrong.push(`bit ${anchor} is clear`);
    const even = first + 2 * ((reads * 31) % 128);
    if (even !== anchor && bitmap.test(even)) wrong.push(`bit ${even} is set`);
    const next = bitmap.nextSet(anchor, first + 256);
    if (next !== anchor) wrong.push(`the first set bit from ${anchor} on is ${next}`);
    if (bitmap.nextClear(anchor, anchor + 1) !== anchor + 1) wrong.push(`no ${anchor} any more`);
    const bits = bitmap.count(page * PAGE_BITS, (page + 1) * PAGE_BITS);
    const most = page < STEADY ? 128 + STAY + 1 : PAGE_BITS / 2 + 128;
    if (bits < 128 || bits > most) wrong.push(`page ${page} has ${bits} bits`);
    const bare = bitmap.count(BARE * PAGE_BITS, PAGES * PAGE_BITS);
    if (bare > 1) wrong.push(`the page that has one bit or none has ${bare}`);
    if (bitmap.test(BARE * PAGE_BITS + 2 * (reads % 9_000))) wrong.push('an even bit of it is set');
  }
  return { reads, wrong };
}

if (parentPort !== null) parentPort.postMessage(read(workerData as ReadingTask));
