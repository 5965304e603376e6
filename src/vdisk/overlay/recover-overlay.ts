/**
 * Opens the map of an overlay, once, before any worker does.
 *
 * In the boot of the host in which the live map was written, the live map is the truth: whatever the
 * process had written to it is in the page cache or on the disk. In any other boot parts of it may
 * never have reached the disk, so the durable map is the truth and the live one is rebuilt from it.
 *
 * The summary says which pages there is anything to read of, and is believed under the same condition
 * (touched-summary.ts). Where it is not, everything is read, and it is made anew.
 */
import type { BlockDevice } from '../../block/index.ts';
import { PLAIN } from '../../block/index.ts';
import { newIncarnation, readJournalMark, writeJournalMark } from './journal-mark.ts';
import { BLOCKS_PER_MAP_PAGE, MAP_PAGE_BYTES } from './limits.ts';
import {
  BOOT_RECORD_BYTES,
  BOOT_RECORD_OFFSET,
  checkHeader,
  decodeBootRecord,
  encodeBootRecord,
  HEADER_BYTES,
  HEADER_OFFSET,
} from './map-layout.ts';
import { MapLoader } from './map-loader.ts';
import { OverlayState } from './overlay-state.ts';
import { TouchedSummary } from './touched-summary.ts';

export interface RecoverOptions {
  readonly map: BlockDevice;
  /** Of the disk, in bytes. */
  readonly size: number;
  /** Names this boot of the host: the content of /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
  /** Most bytes that the overlay may own; undefined: no quota. */
  readonly quotaBytes: number | undefined;
  /** Worker threads that will open it: 1 … MAXIMUM_WORKERS. */
  readonly workers: number;
}

/**
 * The state to hand to every worker. Leaves `map` open.
 * @throws BlockError EINVAL when it is not the map of such a disk, EIO when it is damaged
 */
export async function recoverOverlay(options: RecoverOptions): Promise<SharedArrayBuffer> {
  const { map, size, bootId } = options;
  const header = Buffer.alloc(Math.min(HEADER_BYTES, map.geometry.size));
  await map.read(header, HEADER_OFFSET);
  checkHeader(header, size);
  const page = Buffer.alloc(MAP_PAGE_BYTES);
  await map.read(page, BOOT_RECORD_OFFSET);
  const record = decodeBootRecord(page.subarray(0, BOOT_RECORD_BYTES));
  const sameBoot = record?.bootId === bootId;

  const buffer = OverlayState.allocate(size, options.workers, options.quotaBytes);
  const state = new OverlayState(buffer);
  const loader = new MapLoader(state, map, sameBoot);
  if (sameBoot && record.summaryKept) {
    state.summaryBytes.set(page.subarray(BOOT_RECORD_BYTES));
    await loader.loadTouched();
    state.mapUnsynced = state.touched.nextSet(0, state.geometry.groups) < state.geometry.groups;
  } else {
    await loader.loadAll();
    state.mapUnsynced = sameBoot;
    // After the live map is whole again: a process that dies before the last line starts over.
    await new TouchedSummary(state, map).store();
    await map.write(encodeBootRecord(bootId), BOOT_RECORD_OFFSET, PLAIN);
  }
  state.ownedBlocks = loader.ownedBlocks - clearBeyondEnd(state);
  await loadMark(state, map);
  // What was written and not flushed before is listed nowhere.
  state.ring.noteUnlisted();
  return buffer;
}

/** An overlay from before there was a journal gets its mark before anything of it is journalled. */
async function loadMark(state: OverlayState, map: BlockDevice): Promise<void> {
  let mark = await readJournalMark(map);
  if (mark === undefined) {
    mark = { incarnation: newIncarnation(), sequence: 0, copy: 0 };
    await writeJournalMark(map, mark, mark.copy);
    await map.flush();
  }
  state.incarnation = mark.incarnation;
  state.markCopy = mark.copy;
  state.journalled = mark.sequence;
  state.checkpointed = mark.sequence;
}

/**
 * A map never has bits beyond the disk's end; one that has would count them as owned.
 * @returns how many there were
 */
function clearBeyondEnd({ owned, geometry }: OverlayState): number {
  const end = geometry.ownedPages * BLOCKS_PER_MAP_PAGE;
  const beyond = owned.count(geometry.blocks, end);
  owned.clear(geometry.blocks, end);
  return beyond;
}
