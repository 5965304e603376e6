/**
 * Lets the data of a snapshot go, when what has changed before and after it is written down. Every log is in the
 * catalog before anything is deleted; whatever a crash cuts off is begun again, and finds the logs that are there.
 */
import { Fault } from '../../errors/index.ts';
import type { SnapshotRecord } from '../catalog/storage/records.ts';
import type { TrackedDisk } from '../catalog/storage/tracked-disk-table.ts';
import type { Control } from '../control.ts';
import {
  currentSnapshot,
  deleteStoredSnapshot,
  type SnapshotDeletion,
  turnsOf,
} from '../storage/delete-stored-snapshot.ts';
import { inTurn } from '../storage/turns.ts';
import type { Call } from '../storage-port.ts';
import { type WantedLog, waitsForNext, wantedLogs } from './going.ts';
import { changesAlong, sizeOfDisk } from './step-changes.ts';

/**
 * Of an anchor, or of one that is leaving; nothing happens to others, nor to one that waits for the next snapshot.
 * @throws Fault IN_USE: it is open, or something stands on it; UNREACHABLE, UNAVAILABLE
 */
export async function settleSnapshot(control: Control, id: string, call: Call): Promise<void> {
  const snapshot = control.catalog.snapshots.byId(id);
  if (snapshot === undefined) {
    forgetLost(control, id);
    return;
  }
  await inTurn(control, turnsOf(snapshot), () => settleInTurn(control, id, call));
}

/** The same for who has the turn of the snapshot's volume. */
export async function settleInTurn(
  control: Control,
  id: string,
  call: Call,
  options: { readonly isLast: boolean } = { isLast: false },
): Promise<void> {
  const { catalog } = control;
  const disk = catalog.trackedDisks.byId(id);
  if (disk === undefined || !isGoing(disk) || catalog.snapshots.byId(id) === undefined) return;
  if (!options.isLast && waitsForNext(catalog, disk)) return;
  for (const wanted of wantedLogs(catalog, disk)) await write(control, disk, wanted, call);
  const refuse = (): void => {
    // Within the turn nothing comes and goes beside it; if it did, it would be told here before anything is lost.
    const now = catalog.trackedDisks.byId(id);
    if (now === undefined || wantedLogs(catalog, now).length > 0) throw changedMeanwhile(id);
  };
  await deleteStoredSnapshot(control, id, { refuse }, call);
}

async function write(
  control: Control,
  { repositoryId }: TrackedDisk,
  { fromId, toId, steps }: WantedLog,
  call: Call,
): Promise<void> {
  const { catalog } = control;
  const size = sizeOfDisk(catalog, toId) ?? 0;
  const changed = await changesAlong(control, steps, size, call);
  catalog.transaction(() =>
    catalog.changeLogs.insert({ fromId, toId, repositoryId, size, bits: changed.packed() }),
  );
}

/**
 * Nobody wants it any more, but logs need it: it is a name among snapshots, and goes when they do not.
 * In its turn.
 */
export async function leaveInTurn(
  control: Control,
  id: string,
  how: SnapshotDeletion,
  call: Call,
): Promise<void> {
  control.change((record) => {
    const snapshot = currentSnapshot(control, id);
    how.refuse(snapshot);
    keepFor(control, snapshot, 'leaving');
    how.deleted?.(record, snapshot);
  });
  // What fails now is tried again: for whoever asked for it, it is gone.
  await settleInTurn(control, id, call).catch(() => undefined);
}

/** Within a transaction: its name is free, no schedule has it, and its storage goes when it may. */
export function keepFor(
  { catalog }: Control,
  { id, repositoryId, volumeId, size, createdAt }: SnapshotRecord,
  state: 'anchor' | 'leaving',
): void {
  catalog.trackedDisks.save({ id, repositoryId, volumeId, state, size, createdAt });
  catalog.snapshots.keepOnly(id, `changes-${id}`, KEPT);
}

/** @throws Fault IN_USE: it goes by itself */
export function refuseGoing({ catalog }: Control, { id, volumeName, name }: SnapshotRecord): void {
  const disk = catalog.trackedDisks.byId(id);
  if (disk === undefined || !isGoing(disk)) return;
  throw new Fault('IN_USE', `snapshot ${volumeName}@${name} is kept until its changes are known`, {
    field: 'snapshot.name',
    value: name,
    expected: 'the next snapshot of its volume: then it goes by itself',
  });
}

/** A crash came between the array and us, or its repository was forgotten. */
function forgetLost({ catalog }: Control, id: string): void {
  catalog.transaction(() => {
    if (catalog.trackedDisks.byId(id)?.state !== 'leaving') return;
    catalog.trackedDisks.delete(id);
    catalog.changeLogs.deleteOf(id);
  });
}

export function isGoing({ state }: TrackedDisk): boolean {
  return state === 'anchor' || state === 'leaving';
}

const KEPT = 'kept until the next snapshot: what has changed since is asked for';

function changedMeanwhile(id: string): Fault {
  return new Fault('UNAVAILABLE', 'what comes before or after the snapshot has changed', {
    field: 'snapshot.id',
    value: id,
  });
}
