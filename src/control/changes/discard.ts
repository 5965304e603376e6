/** What becomes of a snapshot of which only the changes are wanted, or nothing any more. */
import { Fault } from '../../errors/index.ts';
import type { Control } from '../control.ts';
import { refuseReplicated } from '../replication/refuse-replicated.ts';
import { currentSnapshot, turnsOf } from '../storage/delete-stored-snapshot.ts';
import { repositoryName, snapshotSubject } from '../storage/names.ts';
import { inTurn } from '../storage/turns.ts';
import type { Call } from '../storage-port.ts';
import { wantedPast } from './going.ts';
import { keepFor, settleInTurn } from './settle.ts';
import { changesAlong, sizeOfDisk } from './step-changes.ts';
import { requireTracked } from './track.ts';

/**
 * The snapshot's data may go: what has changed up to it and since can be asked for as before. Its storage goes at once,
 * or when the next snapshot of its volume is there. Again: fine.
 * @throws Fault NOT_FOUND, INVALID_INPUT (it is not tracked, or no snapshot), IN_USE (it is held)
 */
export async function discardData(control: Control, snapshotId: string, call: Call): Promise<void> {
  const { catalog } = control;
  if (requireTracked(control, snapshotId).state !== 'tracked') return;
  if (catalog.volumes.byId(snapshotId) !== undefined) {
    throw new Fault('INVALID_INPUT', 'only snapshots can be without their data', {
      field: 'disk',
      value: snapshotId,
      expected: 'a snapshot',
    });
  }
  await inTurn(control, turnsOf(currentSnapshot(control, snapshotId)), async () => {
    if (requireTracked(control, snapshotId).state !== 'tracked') return;
    control.change((record) => {
      const snapshot = currentSnapshot(control, snapshotId);
      refuseKept(snapshot);
      refuseReplicated(catalog, { snapshotId });
      keepFor(control, snapshot, 'anchor');
      const repository = repositoryName(catalog, snapshot.repositoryId);
      record({
        kind: 'snapshot.discarded',
        subject: snapshotSubject(repository, snapshot),
        message: `the data of snapshot ${repository}/${snapshot.volumeName}@${snapshot.name} may go: only what has changed is kept`,
        data: { snapshotId },
      });
    });
    // What fails now is tried again.
    await settleInTurn(control, snapshotId, call).catch(() => undefined);
  });
}

/**
 * Nobody will ask for the changes of a snapshot without data any more.
 * @throws Fault NOT_FOUND, INVALID_INPUT: it has its data; delete the snapshot
 */
export async function forgetChanges(control: Control, id: string, call: Call): Promise<void> {
  const { catalog } = control;
  const disk = requireTracked(control, id);
  if (disk.state === 'tracked') {
    throw new Fault('INVALID_INPUT', 'the snapshot has its data', {
      field: 'disk',
      value: id,
      expected: 'one whose data is gone, or is to go',
    });
  }
  await inTurn(control, disk.volumeId === undefined ? [id] : [disk.volumeId, id], async () => {
    const now = catalog.trackedDisks.byId(id);
    if (now === undefined) return;
    if (now.state === 'log') {
      await forgetLog(control, id, call);
      return;
    }
    catalog.transaction(() => catalog.trackedDisks.save({ ...now, state: 'leaving' }));
    await settleInTurn(control, id, call).catch(() => undefined);
  });
}

/** Its logs are all that there is of it: those that lead to it and from it become one that leads past it. */
async function forgetLog(control: Control, id: string, call: Call): Promise<void> {
  const { catalog } = control;
  const past: { fromId: string; toId: string; size: number; bits: Uint8Array }[] = [];
  for (const { fromId, toId, steps } of wantedPast(catalog, id)) {
    const size = sizeOfDisk(catalog, toId) ?? 0;
    const changed = await changesAlong(control, steps, size, call);
    past.push({ fromId, toId, size, bits: changed.packed() });
  }
  catalog.transaction(() => {
    const disk = catalog.trackedDisks.byId(id);
    if (disk === undefined) return;
    for (const log of past) {
      catalog.changeLogs.insert({ ...log, repositoryId: disk.repositoryId });
    }
    catalog.trackedDisks.delete(id);
    catalog.changeLogs.deleteOf(id);
  });
}

/**
 * The volume is about to be deleted, and its array would not do that while it has snapshots: those that wait for a
 * next one go now. In the volume's turn. What fails is told by the deletion.
 */
export async function releaseAnchors(
  control: Control,
  volumeId: string,
  call: Call,
): Promise<void> {
  const { catalog } = control;
  for (const { id } of catalog.trackedDisks.ofVolume(volumeId)) {
    if (catalog.snapshots.byId(id)?.emulated !== false) continue;
    await settleInTurn(control, id, call, { isLast: true }).catch(() => undefined);
  }
}

function refuseKept({
  held,
  volumeName,
  name,
}: {
  held: boolean;
  volumeName: string;
  name: string;
}): void {
  if (!held) return;
  throw new Fault('IN_USE', `snapshot ${volumeName}@${name} is held`, {
    field: 'snapshot.held',
    value: true,
    expected: 'one that is released (rootcast snapshot set --release)',
  });
}
