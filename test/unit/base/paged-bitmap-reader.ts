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

/**
 * Pages whose guests come and go; those after them get more and more until they are plain; then one has no anchors, and the last
 * one has walls, runs of bits that are always set, and one run that comes and goes between or at the end of them.
 */
export const STEADY = 6;
export const PAGES = 17;
export const BARE = PAGES - 2;
const WALLED = PAGES - 1;
const WALL = 64;

export const wallOf = (group: number): [from: number, to: number] => {
  const from = WALLED * PAGE_BITS + group * 256;
  return [from, from + WALL];
};

/** Never the 16 bits behind a wall, but for those that are the wall's next ones. */
export const besideWalls = (n: number): [from: number, to: number] => {
  const [from, end] = wallOf((n * 37) % 128);
  return n % 3 === 0 ? [end, end + 3] : [from + 80 + (n % 90), from + 80 + (n % 90) + 1 + (n % 70)];
};

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
    const bare = bitmap.count(BARE * PAGE_BITS, WALLED * PAGE_BITS);
    if (bare > 1) wrong.push(`the page that has one bit or none has ${bare}`);
    if (bitmap.test(BARE * PAGE_BITS + 2 * (reads % 9_000))) wrong.push('an even bit of it is set');
    wrong.push(...readWalls(bitmap, reads));
  }
  return { reads, wrong };
}

function readWalls(bitmap: PagedBitmap, reads: number): string[] {
  const [from, to] = wallOf((reads * 11) % 128);
  const wrong: string[] = [];
  const inside = from + (reads % WALL);
  if (!bitmap.test(inside)) wrong.push(`bit ${inside} of a wall is clear`);
  if (bitmap.test(to + 3 + (reads % 12))) wrong.push(`a bit behind the wall at ${from} is set`);
  const end = bitmap.nextClear(inside, from + 256);
  if (end !== to && end !== to + 3) wrong.push(`the wall at ${from} ends at ${end}`);
  const next = bitmap.nextSet(to + 3, to + 16);
  if (next !== to + 16) wrong.push(`there is a bit at ${next}`);
  const bits = bitmap.count(WALLED * PAGE_BITS, PAGES * PAGE_BITS);
  if (bits < 128 * WALL || bits > 128 * WALL + 70) wrong.push(`the walls have ${bits} bits`);
  return wrong;
}

if (parentPort !== null) parentPort.postMessage(read(workerData as ReadingTask));
