/**
 * Makes the map of an overlay durable when the service stops in an orderly way.
 *
 * The live map is believed in the boot of the host that wrote it only (recover-overlay.ts). A host that
 * is shut down cleanly writes all of it to disk, and comes up with another boot id: without this,
 * everything acknowledged since the last flush would be given up although it is there.
 */
import type { BlockDevice } from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';
import { DurableMap } from './durable-map.ts';
import { readJournalMark } from './journal-mark.ts';
import { OverlayState } from './overlay-state.ts';
import { isLiveMapTrusted } from './read-overlay-map.ts';
import { type RecoverOptions, recoverOverlay } from './recover-overlay.ts';

/**
 * Whether a flush would change the map. Never after a flush has failed: what the failed one
 * left behind must not be called durable.
 */
export function needsSettling(buffer: SharedArrayBuffer): boolean {
  const state = new OverlayState(buffer);
  const pages = state.dirty.length;
  const changes = state.dirty.nextSet(0, pages) < pages || state.journalled !== state.checkpointed;
  return state.flushFailure === undefined && changes;
}

/** The last flush that went through a journal, to be given to `settleOverlay`. */
export function lastJournalled(buffer: SharedArrayBuffer): number {
  return new OverlayState(buffer).journalled;
}

/**
 * Flushes an overlay that no worker has open any more. It starts from the map volume and not from the
 * workers' shared state, whose mutexes a worker that was ended by force may have kept.
 * @throws BlockError as recoverOverlay, and what the volumes' flush throws; EIO after a flush has failed,
 *   while the journal may have what the volumes lack
 */
export async function settleOverlay(
  options: Pick<RecoverOptions, 'map' | 'size' | 'bootId'> & {
    readonly data: BlockDevice;
    /** Records of the flush journal up to this one are not needed afterwards. */
    readonly journalled: number;
  },
): Promise<void> {
  const { map, data, size, bootId } = options;
  await refuseAfterFailure(map, bootId, options.journalled);
  const buffer = await recoverOverlay({ map, size, bootId, quotaBytes: undefined, workers: 1 });
  const state = new OverlayState(buffer);
  state.journalled = Math.max(state.journalled, options.journalled);
  await new DurableMap(state, data, map, undefined).flush();
}

/**
 * A flush that failed took the boot record away: what is believed then is the durable map, which knows
 * nothing of the blocks that were journalled since. Their records must not be called needless; the next
 * start of the service puts them back.
 */
async function refuseAfterFailure(
  map: BlockDevice,
  bootId: string,
  journalled: number,
): Promise<void> {
  const checkpointed = (await readJournalMark(map))?.sequence ?? 0;
  if (journalled <= checkpointed || (await isLiveMapTrusted(map, bootId))) return;
  const detail = 'an earlier flush failed, and flushed writes are in the flush journal only';
  throw new BlockError('EIO', 'flush', 0, 0, detail);
}
