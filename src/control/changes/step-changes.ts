import { Fault } from '../../errors/index.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { ChangeStep } from '../catalog/storage/change-log-table.ts';
import type { Control } from '../control.ts';
import { CHANGES_PER_ANSWER } from '../limits.ts';
import { snapshotNameOf } from '../storage/names.ts';
import type { Call, SnapshotName, VolumeName } from '../storage-port.ts';
import { ChangedBlocks } from './changed-blocks.ts';
import type { LineageStep } from './lineage.ts';

/** Bytes of a volume or a snapshot, also of one whose data is gone; undefined: there is no such. */
export function sizeOfDisk(catalog: Catalog, id: string): number | undefined {
  const disk =
    catalog.volumes.byId(id) ?? catalog.snapshots.byId(id) ?? catalog.trackedDisks.byId(id);
  return disk?.size;
}

/**
 * What has changed on a way between snapshots, as a part of a disk of so many bytes.
 * @param size bytes of the last one
 * @throws Fault NOT_FOUND: something of it went meanwhile; UNREACHABLE, UNAVAILABLE
 */
export async function changesAlong(
  control: Control,
  steps: readonly LineageStep[],
  size: number,
  call: Call,
): Promise<ChangedBlocks> {
  const changed = new ChangedBlocks(size);
  // What is kept may go while the storage is asked.
  for (const step of steps) if (step.how === 'log') changed.include(keptChanges(control, step));
  const live = steps.filter(({ how }) => how === 'live');
  for (const [at, step] of live.entries()) {
    const part = { ...call, progress: (of: number) => call.progress((at + of) / live.length) };
    const names = { from: nameOf(control, step.fromId), to: nameOf(control, step.toId) };
    await addChanges(control, changed, names, part);
  }
  return changed;
}

/** @throws Fault NOT_FOUND */
export function keptChanges({ catalog }: Control, step: ChangeStep): ChangedBlocks {
  const log = catalog.changeLogs.get(step);
  if (log === undefined) throw gone(`${step.fromId} ${step.toId}`);
  return ChangedBlocks.unpacked(log);
}

/** Asks the storage, page after page. What a disk grew by has changed where it was written. @throws Fault */
export async function addChanges(
  { storage }: Control,
  changed: ChangedBlocks,
  { from, to }: { readonly from: SnapshotName; readonly to: SnapshotName | VolumeName },
  call: Call,
): Promise<void> {
  const { size } = changed;
  for (let offset = 0; offset < size; ) {
    call.signal.throwIfAborted();
    const page = { offset, length: size - offset, limit: CHANGES_PER_ANSWER };
    const ranges = await storage.diff({ from, to, ...page, grown: 'as-written' });
    for (const range of ranges) changed.add(range.offset, range.length);
    const last = ranges.at(-1);
    // The storage may stop early; only an answer without ranges says that there are no more.
    if (last === undefined) return;
    offset = last.offset + last.length;
    call.progress(offset / size);
  }
}

export function nameOf({ catalog }: Control, snapshotId: string): SnapshotName {
  const snapshot = catalog.snapshots.byId(snapshotId);
  if (snapshot === undefined) throw gone(snapshotId);
  return snapshotNameOf(snapshot);
}

function gone(id: string): Fault {
  return new Fault('NOT_FOUND', 'a snapshot went while what has changed since was looked for', {
    field: 'snapshot.id',
    value: id,
  });
}
