import { Fault } from '../../errors/index.ts';
import type { Control } from '../control.ts';
import { MAX_CHANGE_ATTEMPTS } from '../limits.ts';
import { diffToVolume } from '../operations/storage/diff-to-volume.ts';
import type { Call } from '../storage-port.ts';
import type { ChangedBlocks } from './changed-blocks.ts';
import { type LineageStep, wayBetween } from './lineage.ts';
import { changesAlong, sizeOfDisk } from './step-changes.ts';
import { requireTracked } from './track.ts';

export type Changes =
  | { readonly kind: 'changed'; readonly blocks: ChangedBlocks }
  /** The later one did not come after the other one: another volume's, or of what was reverted. */
  | { readonly kind: 'unrelated' }
  /** The later one is smaller. */
  | { readonly kind: 'shrunk' };

/**
 * Which blocks of a disk were written since an earlier one of the same volume: each that was written, and no other, as
 * exactly as the storage knows it.
 * @param disks.fromId a snapshot, perhaps one whose data is gone
 * @param disks.toId such a one too, or a volume: as it is now, with all that was flushed before the call
 * @throws Fault NOT_FOUND, INVALID_INPUT (not tracked), UNREACHABLE, UNAVAILABLE, NO_SPACE; CANCELLED
 */
export async function changesBetween(
  control: Control,
  { fromId, toId }: { readonly fromId: string; readonly toId: string },
  call: Call,
): Promise<Changes> {
  requireTracked(control, fromId);
  requireTracked(control, toId);
  for (let attempt = 1; ; attempt++) {
    const { catalog } = control;
    const way = wayBetween(catalog, fromId, toId);
    if (way === undefined || fromId === toId) return { kind: 'unrelated' };
    const size = sizeOfDisk(catalog, toId);
    if (size === undefined || size < (sizeOfDisk(catalog, fromId) ?? 0)) return { kind: 'shrunk' };
    try {
      return { kind: 'changed', blocks: await along(control, way, size, call) };
    } catch (error) {
      // A snapshot went while the storage was asked about it: by now there is another way.
      const isGone = error instanceof Fault && error.code === 'NOT_FOUND';
      if (!isGone || attempt === MAX_CHANGE_ATTEMPTS) throw error;
    }
  }
}

async function along(
  control: Control,
  way: readonly LineageStep[],
  size: number,
  call: Call,
): Promise<ChangedBlocks> {
  const last = way.at(-1);
  const isToVolume = last !== undefined && control.catalog.volumes.byId(last.toId) !== undefined;
  if (!isToVolume) return changesAlong(control, way, size, call);
  const before = { ...call, progress: (fraction: number) => call.progress(fraction / 2) };
  const changed = await changesAlong(control, way.slice(0, -1), size, before);
  const rest = { ...call, progress: (fraction: number) => call.progress((1 + fraction) / 2) };
  await diffToVolume(control, changed, { fromId: last.fromId, volumeId: last.toId }, rest);
  return changed;
}
