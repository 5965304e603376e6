/**
 * What a crash left of an overlay in the flush journal, put into the overlay's own volumes.
 *
 * After the death of the process alone everything that was acknowledged is in the page cache, newer than
 * any record: the volumes are synced and that is all. After the death of the host the volumes are as
 * of their last sync or anything since, and the records say what was flushed after it.
 */
import type { MaybePromise } from '../../base/index.ts';
import { type BlockDevice, PLAIN, ZeroDevice } from '../../block/index.ts';
import type { JournalRecord } from '../journal/index.ts';
import { DurableMap } from './durable-map.ts';
import { readDurableMark } from './journal-mark.ts';
import { BLOCK_BYTES } from './limits.ts';
import {
  BOOT_RECORD_BYTES,
  BOOT_RECORD_OFFSET,
  decodeBootRecord,
  HEADER_BYTES,
  HEADER_OFFSET,
  mappedSize,
} from './map-layout.ts';
import { openOverlay } from './overlay-device.ts';
import { OverlayState } from './overlay-state.ts';
import { recoverOverlay } from './recover-overlay.ts';

export interface ReplayRecord extends Omit<JournalRecord, 'data'> {
  /** Written in this boot of the host. */
  readonly sameBoot: boolean;
  /** The blocks' bytes: those of all records would not fit into memory. */
  readonly load: () => MaybePromise<Buffer>;
}

export interface ReplayOptions {
  /** Both are closed, whatever comes of it. */
  readonly map: BlockDevice;
  readonly data: BlockDevice;
  /** Names this boot of the host. */
  readonly bootId: string;
  /** Its records in all journals, in any order. */
  readonly records: readonly ReplayRecord[];
}

/**
 * @returns how many records were written into the volumes, which hold them durably now
 * @throws BlockError when the map is none or damaged, or a volume fails; it can be tried again
 */
export async function replayOverlay(options: ReplayOptions): Promise<number> {
  const { map, data, bootId } = options;
  try {
    if (options.records.length === 0) return 0;
    const mark = await readDurableMark(map);
    const records = options.records
      .filter(({ incarnation, sequence }) => {
        return mark !== undefined && incarnation === mark.incarnation && sequence > mark.sequence;
      })
      .sort((a, b) => a.sequence - b.sequence);
    return records.length === 0 ? 0 : await replay(map, data, bootId, records);
  } finally {
    await Promise.all([map.close(), data.close()]);
  }
}

async function replay(
  map: BlockDevice,
  data: BlockDevice,
  bootId: string,
  records: readonly ReplayRecord[],
): Promise<number> {
  const boot = Buffer.alloc(BOOT_RECORD_BYTES);
  await map.read(boot, BOOT_RECORD_OFFSET);
  // The boot record alone does not say it: a replay that was killed half-way has renewed it.
  const processDied =
    decodeBootRecord(boot)?.bootId === bootId && records.every(({ sameBoot }) => sameBoot);
  const header = Buffer.alloc(HEADER_BYTES);
  await map.read(header, HEADER_OFFSET);
  const size = mappedSize(header);
  const buffer = await recoverOverlay({ map, size, bootId, quotaBytes: undefined, workers: 1 });
  const state = new OverlayState(buffer);
  const base = new ZeroDevice(size);
  const onFull = (): void => undefined; // the write fails, and with it the replay
  const overlay = openOverlay({ state: buffer, base, data, map, worker: 0, onFull });
  const replayed = processDied ? [] : records;
  try {
    for (const record of replayed) await write(overlay, record, size);
    state.journalled = records.at(-1)?.sequence ?? state.journalled;
    await new DurableMap(state, data, map, undefined).flush();
  } finally {
    await overlay.close();
  }
  return replayed.length;
}

async function write(
  overlay: BlockDevice,
  { ranges, load }: ReplayRecord,
  size: number,
): Promise<void> {
  const data = await load();
  const most = overlay.geometry.maximumIo;
  let at = 0;
  for (const { from, to } of ranges) {
    const start = from * BLOCK_BYTES;
    const end = Math.min(size, to * BLOCK_BYTES);
    for (let done = start; done < end; done += most) {
      const length = Math.min(most, end - done);
      await overlay.write(data.subarray(at, at + length), done, PLAIN);
      at += length;
    }
  }
}
