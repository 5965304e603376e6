import { Fault } from '../../errors/index.ts';
import type { SnapshotRecord } from '../catalog/storage/records.ts';
import { isNeeded } from '../changes/going.ts';
import { leaveInTurn, refuseGoing } from '../changes/settle.ts';
import type { Control, RecordEvent } from '../control.ts';
import { refuseReplicated } from '../replication/refuse-replicated.ts';
import type { Call } from '../storage-port.ts';
import {
  currentSnapshot,
  deleteStoredSnapshot,
  type SnapshotDeletion,
  tellDeleted,
  turnsOf,
} from './delete-stored-snapshot.ts';
import { inTurn } from './turns.ts';

/**
 * Its children are its parent's from then on, and nothing else changes.
 * @throws Fault NOT_FOUND, IN_USE (it is held, it is a point of a replication, or something stands on it that the storage cannot part from it)
 */
export async function removeSnapshot(control: Control, id: string, call: Call): Promise<void> {
  const refuse = (snapshot: SnapshotRecord): void => {
    refuseHeld(snapshot);
    refuseReplicated(control.catalog, { snapshotId: id });
  };
  const deleted = (record: RecordEvent, snapshot: SnapshotRecord): void =>
    tellDeleted(control, record, snapshot);
  await deleteInTurn(control, id, { refuse, deleted }, call);
}

/**
 * Every deletion of a snapshot, also those of which nobody is told: in the turn of its volume. One that logs of changed
 * blocks need goes a little later than it says (control/changes).
 * @throws Fault NOT_FOUND, IN_USE, and what `refuse` throws
 */
export async function deleteInTurn(
  control: Control,
  id: string,
  how: SnapshotDeletion,
  call: Call,
): Promise<void> {
  const before = currentSnapshot(control, id);
  await inTurn(control, turnsOf(before), async () => {
    const snapshot = currentSnapshot(control, id);
    how.refuse(snapshot);
    refuseGoing(control, snapshot);
    if (isNeeded(control.catalog, id)) await leaveInTurn(control, id, how, call);
    else await deleteStoredSnapshot(control, id, how, call);
  });
}

function refuseHeld({ held, volumeName, name }: SnapshotRecord): void {
  if (!held) return;
  throw new Fault('IN_USE', `snapshot ${volumeName}@${name} is held`, {
    field: 'snapshot.held',
    value: true,
    expected: 'one that is released (rootcast snapshot set --release)',
  });
}
