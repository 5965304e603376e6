/**
 * After a failover, replication begins again: the other way (reverse), or with what one side has thrown away
 * (resync). Both send differences to the last common point, as far as there is one.
 */

import { Fault } from '../../errors/index.ts';
import { otherSide, type ReplicationRecord, type Side } from '../catalog/replication/records.ts';
import type { Control } from '../control.ts';
import type { Call } from '../storage-port.ts';
import type { ReportProgress } from '../tasks/task-runner.ts';
import { changeReplication } from './change-replication.ts';
import { lookForDivergence } from './divergence.ts';
import { fence, refuseWriters, setRole, unfence } from './fence.ts';
import { revertHeads } from './heads.ts';
import { resyncLinks } from './link-end.ts';
import { type RunResult, runOnce } from './run-replication.ts';
import { discardPoint } from './send-point.ts';
import { current, newestPoint, noPoint, sendingPoint, targetSide } from './situation.ts';

/** @throws Fault IN_USE: it is not failed over, or the old source holds what was never sent */
export async function reverse(
  control: Control,
  id: string,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<RunResult> {
  const replication = current(control.catalog, id);
  if (replication.failover === 'none') {
    throw new Fault('IN_USE', `replication ${replication.name} is not failed over`, {
      field: 'replication.state',
      value: replication.state,
      expected: 'one that is (rootcast replication failover)',
    });
  }
  // It is written by the run, and by nobody else: also when it was looked at before.
  await refuseWriters(control, id, targetSide(replication));
  if (replication.mode === 'engine') {
    const call: Call = { signal, progress: () => undefined };
    if (await lookForDivergence(control, id, call)) throw diverged(replication.name);
  } else if (replication.failover === 'forced') {
    throw diverged(replication.name);
  }
  protect(control, id, `replication ${replication.name} goes the other way from now on`);
  return await runOnce(control, id, report, signal);
}

function diverged(name: string): Fault {
  return new Fault('IN_USE', `the old source of replication ${name} holds what was never sent`, {
    field: 'replication.state',
    value: 'split-brain',
    expected: 'a choice of what is thrown away (rootcast replication resync)',
  });
}

function protect(control: Control, id: string, message: string): void {
  changeReplication(
    control,
    id,
    {
      ...{ failover: 'none', state: 'reprotecting', reason: undefined, diverged: undefined },
      ...{ paused: false, failures: 0, isRunning: true },
    },
    { kind: 'replication.reprotecting', message },
  );
}

/**
 * What the side holds that the other has not is thrown away, whichever was written last.
 * @throws Fault IN_USE: somebody could still write it; NOT_FOUND: the other side has no complete point to go on from
 */
export async function resync(
  control: Control,
  id: string,
  discard: Side,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<RunResult> {
  const { catalog } = control;
  const replication = current(catalog, id);
  if (replication.sourceSide === discard) await fence(control, id, discard);
  else await refuseWriters(control, id, discard);
  try {
    await readyKept(control, replication, discard, signal);
  } catch (error) {
    if (replication.sourceSide === discard) unfence(control, id, discard);
    throw error;
  }
  const stale = sendingPoint(catalog, id);
  if (stale !== undefined) discardPoint(control, stale);
  control.change(() => {
    setRole(control, id, discard, 'replica');
    setRole(control, id, otherSide(discard), 'volume');
    // What the heads of that side hold is thrown away by the run: it begins at the last common point.
    changeReplication(control, id, { sourceSide: otherSide(discard), headPointId: undefined });
  });
  if (replication.mode === 'array') await resyncLinks(control, id, discard);
  const side = catalog.repositories.byId(replication.repositories[discard])?.name ?? discard;
  protect(
    control,
    id,
    `replication ${replication.name}: what only ${side} held is thrown away, and the other side is sent`,
  );
  return await runOnce(control, id, report, signal);
}

/** What is kept may be a replica, whose heads are on their way to a point: it is its last complete one. */
async function readyKept(
  control: Control,
  { id, name, mode, failover, sourceSide }: ReplicationRecord,
  discard: Side,
  signal: AbortSignal,
): Promise<void> {
  if (mode === 'array' || failover !== 'none' || sourceSide !== discard) return;
  const kept = otherSide(discard);
  const point = newestPoint(control.catalog, id, kept);
  if (point === undefined) throw noPoint(name);
  await revertHeads(control, id, point, kept, { signal, progress: () => undefined });
}

export function sideOfRepository(control: Control, id: string, repositoryName: string): Side {
  const { repositories } = current(control.catalog, id);
  const found = control.catalog.repositories.byName(repositoryName)?.id;
  if (found === repositories.left) return 'left';
  if (found === repositories.right) return 'right';
  throw new Fault('INVALID_INPUT', `${repositoryName} is no side of this replication`, {
    field: 'discard',
    value: repositoryName,
    expected: 'the name of one of its two repositories',
  });
}
