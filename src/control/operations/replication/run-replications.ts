/** What is done with a replication, as tasks: sending points, failing over, and the way back. */
import { Fault } from '../../../errors/index.ts';
import type { ReplicationRecord } from '../../catalog/replication/records.ts';
import type { Control } from '../../control.ts';
import { changeReplication } from '../../replication/change-replication.ts';
import { failOver } from '../../replication/failover.ts';
import { resync, reverse, sideOfRepository } from '../../replication/reverse.ts';
import { startRun, stopRun } from '../../replication/run-replication.ts';
import { partsOf, subjectOf } from '../../replication/situation.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { FailoverInput, ResyncInput } from '../../schemas/replication.ts';
import type { ReportProgress } from '../../tasks/task-runner.ts';
import { taskView } from '../task-view.ts';
import { findReplication } from './find-replication.ts';

/** Sends a point now. @throws Fault NOT_FOUND, IN_USE (paused, failed over, or being sent), LIMIT_EXCEEDED */
export function runReplication(control: Control, name: string): TaskView {
  partsOf(control);
  return taskView(startRun(control, findReplication(control.catalog, name)));
}

/** @throws Fault NOT_FOUND, LIMIT_EXCEEDED */
export function failoverReplication(
  control: Control,
  name: string,
  { force = false }: FailoverInput,
): TaskView {
  const kind = force ? 'forced' : 'planned';
  return inTurn(control, name, 'replication.failover', (id, report, signal) =>
    failOver(control, id, kind, report, signal),
  );
}

/** @throws Fault NOT_FOUND, LIMIT_EXCEEDED */
export function reverseReplication(control: Control, name: string): TaskView {
  return inTurn(control, name, 'replication.reverse', (id, report, signal) =>
    reverse(control, id, report, signal),
  );
}

/** @throws Fault NOT_FOUND, INVALID_INPUT, LIMIT_EXCEEDED */
export function resyncReplication(
  control: Control,
  name: string,
  { discard }: ResyncInput,
): TaskView {
  const { id: of } = findReplication(control.catalog, name);
  const side = sideOfRepository(control, of, discard);
  return inTurn(control, name, 'replication.resync', (id, report, signal) =>
    resync(control, id, side, report, signal),
  );
}

/** What is being sent is ended first: it would have to be waited for. */
function inTurn<T>(
  control: Control,
  name: string,
  kind: string,
  work: (id: string, report: ReportProgress, signal: AbortSignal) => Promise<T>,
): TaskView {
  partsOf(control);
  const replication = findReplication(control.catalog, name);
  const { id } = replication;
  const task = control.tasks.start(kind, subjectOf(replication), async (report, signal) => {
    await stopRun(control, id);
    return await control.replicationTurns.run(id, async () => {
      try {
        return await work(id, report, signal);
      } catch (error) {
        tellFailed(control, replication, kind, signal.aborted ? signal.reason : error);
        throw error;
      }
    });
  });
  return taskView(task);
}

function tellFailed(
  control: Control,
  { id, name }: ReplicationRecord,
  kind: string,
  error: unknown,
): void {
  if (control.catalog.replications.byId(id) === undefined) return;
  const reason = error instanceof Error ? error.message : String(error);
  changeReplication(
    control,
    id,
    {},
    {
      kind: `${kind}-failed`,
      message: `${kind} of ${name} failed: ${reason}`,
      data: error instanceof Fault ? { code: error.code } : {},
    },
  );
}
