/** Replications are shown, changed, paused, and deleted. */

import { Fault } from '../../../errors/index.ts';
import type { ReplicationRecord, Side } from '../../catalog/replication/records.ts';
import type { Control } from '../../control.ts';
import { changeReplication } from '../../replication/change-replication.ts';
import { setRole } from '../../replication/fence.ts';
import { revertHeads } from '../../replication/heads.ts';
import { releaseLinks } from '../../replication/link-end.ts';
import { stopRun } from '../../replication/run-replication.ts';
import {
  current,
  lastCommon,
  newestPoint,
  partsOf,
  subjectOf,
  targetSide,
} from '../../replication/situation.ts';
import type {
  DeleteReplicationQuery,
  ReplicationView,
  UpdateReplicationInput,
} from '../../schemas/replication.ts';
import { parseName } from '../../values/name.ts';
import { refuseTaken } from '../storage/find-storage.ts';
import { toldChanges } from '../told-changes.ts';
import { findReplication } from './find-replication.ts';
import { settingsOf } from './replication-settings.ts';
import { replicationView } from './replication-view.ts';

/** By name. */
export function listReplications(control: Control): readonly ReplicationView[] {
  return control.catalog.replications
    .all()
    .map((replication) => replicationView(control, replication));
}

/** @throws Fault NOT_FOUND */
export function showReplication(control: Control, name: string): ReplicationView {
  return replicationView(control, findReplication(control.catalog, name));
}

/** Also while a point is being sent: it goes on with what was changed. @throws Fault NOT_FOUND, INVALID_INPUT, ALREADY_EXISTS */
export function updateReplication(
  control: Control,
  name: string,
  input: UpdateReplicationInput,
): ReplicationView {
  const { catalog, clock } = control;
  return control.change(() => {
    const before = findReplication(catalog, name);
    const { name: newName = name, ...settings } = input;
    if (newName !== name) {
      refuseTaken(catalog.replications.byName(newName), 'replication', newName, 'replication.name');
    }
    const given = settingsOf(settings);
    const isDueSince = before.isRunning || before.failover !== 'none';
    const nextAt =
      'intervalMs' in given && !isDueSince
        ? given.intervalMs && clock.now() + given.intervalMs
        : before.nextAt;
    const after = changeReplication(
      control,
      before.id,
      { name: parseName(newName, 'replication.name'), ...given, nextAt },
      {
        kind: 'replication.changed',
        message: `replication ${name}: ${toldChanges(input)}`,
        data: input,
      },
    );
    partsOf(control).replicator.setThrottle(after.id, after.bytesPerSecond);
    return replicationView(control, after);
  });
}

/** Nothing is sent any more; what was being sent goes on when it is resumed. @throws Fault NOT_FOUND, UNSUPPORTED */
export async function pauseReplication(control: Control, name: string): Promise<ReplicationView> {
  const { id, mode, failover } = findReplication(control.catalog, name);
  if (mode === 'array') {
    throw new Fault('UNSUPPORTED', 'the arrays of this replication cannot be paused', {
      field: 'replication.mode',
      value: mode,
      expected: 'a replication of mode engine',
    });
  }
  const paused = failover === 'none' ? ({ state: 'paused', reason: undefined } as const) : {};
  changeReplication(control, id, { paused: true, ...paused });
  await stopRun(control, id);
  return replicationView(control, current(control.catalog, id));
}

/** A point is sent at once. @throws Fault NOT_FOUND */
export function resumeReplication(control: Control, name: string): ReplicationView {
  const { id, paused, failover } = findReplication(control.catalog, name);
  if (!paused) return showReplication(control, name);
  const state = lastCommon(control.catalog, id) === undefined ? 'initializing' : 'idle-consistent';
  const again =
    failover === 'none' ? ({ state, nextAt: control.clock.now(), reason: undefined } as const) : {};
  const after = changeReplication(control, id, { paused: false, failures: 0, ...again });
  return replicationView(control, after);
}

/**
 * The replica's volumes become ordinary ones, as they were at their last point; snapshots of points stay. Without a
 * complete point they stay replicas.
 * @throws Fault NOT_FOUND; what stands against bringing them to their last point, unless `force`: then they stay
 *   replicas, that is of no use but to be deleted
 */
export async function deleteReplication(
  control: Control,
  name: string,
  { force = false }: DeleteReplicationQuery,
): Promise<void> {
  const { id } = findReplication(control.catalog, name);
  await stopRun(control, id);
  await control.replicationTurns.run(id, async () => {
    const replication = current(control.catalog, id);
    const side = targetSide(replication);
    let isOrdinary = false;
    try {
      isOrdinary = await release(control, replication, side, force);
    } catch (error) {
      if (!force) throw error;
    }
    control.change((record) => {
      if (isOrdinary) setRole(control, id, side, 'volume');
      releaseSnapshots(control, id);
      control.catalog.replications.delete(id);
      record({
        kind: 'replication.deleted',
        subject: subjectOf(replication),
        message: `replication ${replication.name} deleted`,
      });
    });
  });
}

/** @returns false: what the volumes of the replica hold is a part of something, and stays nobody's but to be deleted */
async function release(
  control: Control,
  replication: ReplicationRecord,
  side: Side,
  force: boolean,
): Promise<boolean> {
  const { id, mode, failover } = replication;
  if (mode === 'array') return await releaseLinks(control, replication, force);
  // After a failover it is the old source: what it holds is its own.
  if (failover !== 'none') return true;
  const point = newestPoint(control.catalog, id, side);
  if (point === undefined) return false;
  const signal = new AbortController().signal;
  await revertHeads(control, id, point, side, { signal, progress: () => undefined });
  return true;
}

/** Schedules and people may delete them from now on. */
function releaseSnapshots({ catalog }: Control, id: string): void {
  for (const { members } of catalog.points.ofReplication(id)) {
    for (const { snapshots } of members) {
      for (const snapshotId of [snapshots.left, snapshots.right]) {
        const snapshot = snapshotId === undefined ? undefined : catalog.snapshots.byId(snapshotId);
        if (snapshot !== undefined) catalog.snapshots.update({ ...snapshot, held: false });
      }
    }
  }
}
