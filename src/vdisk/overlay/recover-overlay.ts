/**
 * Opens the map of an overlay, once, before any worker does.
 *
 * In the boot of the host in which the live map was written, the live map is the truth: whatever the
 * process had written to it is in the page cache or on the disk. In any other boot parts of it may
 * never have reached the disk, so the durable map is the truth and the live one is rebuilt from it.
 */
import { SharedBitmap } from '../../base/index.ts';
import { type BlockDevice, PLAIN, ZEROES } from '../../block/index.ts';
import { newIncarnation, readJournalMark, writeJournalMark } from './journal-mark.ts';
import { MAP_LOAD_BYTES, MAP_PAGE_BYTES } from './limits.ts';
import {
  BOOT_RECORD_BYTES,
  BOOT_RECORD_OFFSET,
  checkHeader,
  decodeBootRecord,
  encodeBootRecord,
  HEADER_BYTES,
  HEADER_OFFSET,
} from './map-layout.ts';
import { OverlayState } from './overlay-state.ts';

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
  const record = Buffer.alloc(BOOT_RECORD_BYTES);
  await map.read(record, BOOT_RECORD_OFFSET);
  const sameBoot = decodeBootRecord(record) === bootId;

  const buffer = OverlayState.allocate(size, options.workers, options.quotaBytes);
  const state = new OverlayState(buffer);
  await loadMaps(state, map, sameBoot);
  clearBeyondEnd(state);
  state.ownedBlocks = state.owned.count(0, state.geometry.blocks);
  await loadMark(state, map);
  // What was written and not flushed before is listed nowhere.
  state.ring.noteUnlisted();
  // After the live map is whole again: a process that dies before this line starts over.
  if (!sameBoot) await map.write(encodeBootRecord(bootId), BOOT_RECORD_OFFSET, PLAIN);
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

const EMPTY_PAGE = ZEROES.subarray(0, MAP_PAGE_BYTES);

/** Loads the trusted map, page by page; empty pages stay untouched memory. */
async function loadMaps(state: OverlayState, map: BlockDevice, sameBoot: boolean): Promise<void> {
  const { mapBytes, liveOffset, durableOffset } = state.geometry;
  const liveBuffer = Buffer.alloc(Math.min(mapBytes, MAP_LOAD_BYTES));
  const durableBuffer = Buffer.alloc(liveBuffer.length);
  for (let start = 0; start < mapBytes; start += liveBuffer.length) {
    const length = Math.min(liveBuffer.length, mapBytes - start);
    const live = liveBuffer.subarray(0, length);
    const durable = durableBuffer.subarray(0, length);
    await map.read(live, liveOffset + start);
    await map.read(durable, durableOffset + start);
    for (let at = 0; at < length; at += MAP_PAGE_BYTES) {
      const livePage = live.subarray(at, at + MAP_PAGE_BYTES);
      const durablePage = durable.subarray(at, at + MAP_PAGE_BYTES);
      const trusted = sameBoot ? livePage : durablePage;
      if (!trusted.equals(EMPTY_PAGE)) state.mapBytes.set(trusted, start + at);
      const page = (start + at) / MAP_PAGE_BYTES;
      if (!durablePage.equals(EMPTY_PAGE)) state.reserved.set(page, page + 1);
      if (livePage.equals(durablePage)) continue;
      if (sameBoot) {
        // Acknowledged but not flushed when the process died: the next flush takes it along.
        state.dirty.set(page, page + 1);
      } else {
        await map.write(durablePage, liveOffset + start + at, PLAIN);
      }
    }
  }
}

/** A map never has bits beyond the disk's end; one that has would count them as owned. */
function clearBeyondEnd(state: OverlayState): void {
  const { blocks } = state.geometry;
  const lastWordEnd = SharedBitmap.bytesFor(blocks) * 8;
  for (let bit = blocks; bit < lastWordEnd; bit++) {
    const index = Math.floor(bit / 8);
    const byte = state.mapBytes[index] ?? 0;
    if (byte !== 0) state.mapBytes[index] = byte & ~(1 << (bit % 8));
  }
}
