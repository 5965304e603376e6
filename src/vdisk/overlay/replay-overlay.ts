/**
 * What a crash left of an overlay in the flush journal, put into the overlay's own volumes.
 *
 * After the death of the process alone everything that was acknowledged is in the page cache, newer than
 * any record: the volumes are synced and that is all. After the death of the host the volumes are as
 * of their last sync or anything since, and the records say what was flushed after it.
 */
import { type BlockDevice, MAXIMUM_IO_BYTES, PLAIN, ZeroDevice } from '../../block/index.ts';
import type { JournalRecord } from '../journal/index.ts';
import { DurableMap } from './durable-map.ts';
import { readJournalMark } from './journal-mark.ts';
import { BLOCK_BYTES } from './limits.ts';
import { BOOT_RECORD_BYTES, BOOT_RECORD_OFFSET, decodeBootRecord } from './map-layout.ts';
import { openOverlay } from './overlay-device.ts';
import { OverlayState } from './overlay-state.ts';
import { recoverOverlay } from './recover-overlay.ts';

export interface ReplayRecord extends JournalRecord {
  /** Written in this boot of the host. */
  readonly sameBoot: boolean;
}

export interface ReplayOptions {
  /** Both are closed. */
  readonly map: BlockDevice;
  readonly data: BlockDevice;
  /** Of the disk, in bytes. */
  readonly size: number;
  /** Names this boot of the host. */
  readonly bootId: string;
  /** Its records in all journals, in any order. */
  readonly records: readonly ReplayRecord[];
}

/** @returns how many records were written into the volumes, which hold them durably now */
export async function replayOverlay(options: ReplayOptions): Promise<number> {
  const { map, data, size, bootId } = options;
  const mark = await readJournalMark(map);
  const records = options.records
    .filter(({ incarnation, sequence }) => {
      return mark !== undefined && incarnation === mark.incarnation && sequence > mark.sequence;
    })
    .sort((a, b) => a.sequence - b.sequence);
  const last = records.at(-1);
  if (last === undefined) {
    await Promise.all([map.close(), data.close()]);
    return 0;
  }
  const boot = Buffer.alloc(BOOT_RECORD_BYTES);
  await map.read(boot, BOOT_RECORD_OFFSET);
  // The boot record alone does not say it: a replay that was killed half-way has renewed it.
  const processDied =
    decodeBootRecord(boot)?.bootId === bootId && records.every(({ sameBoot }) => sameBoot);
  const buffer = await recoverOverlay({ map, size, bootId, quotaBytes: undefined, workers: 1 });
  const state = new OverlayState(buffer);
  const base = new ZeroDevice(size);
  const onFull = (): void => undefined; // the write fails, and with it the replay
  const overlay = openOverlay({ state: buffer, base, data, map, worker: 0, onFull });
  try {
    const replayed = processDied ? [] : records;
    for (const record of replayed) await write(overlay, record, size);
    state.journalled = last.sequence;
    await new DurableMap(state, data, map, undefined).flush();
    return replayed.length;
  } finally {
    await overlay.close();
  }
}

async function write(
  overlay: BlockDevice,
  { ranges, data }: JournalRecord,
  size: number,
): Promise<void> {
  let at = 0;
  for (const { from, to } of ranges) {
    const start = from * BLOCK_BYTES;
    const end = Math.min(size, to * BLOCK_BYTES);
    for (let done = start; done < end; done += MAXIMUM_IO_BYTES) {
      const length = Math.min(MAXIMUM_IO_BYTES, end - done);
      await overlay.write(data.subarray(at, at + length), done, PLAIN);
      at += length;
    }
  }
}
