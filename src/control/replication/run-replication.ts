/** Runs as tasks: one of a replication at a time, and what becomes of the replication when one ends. */
import { Fault } from '../../errors/index.ts';
import type { TaskRecord } from '../catalog/records.ts';
import type { ReplicationRecord } from '../catalog/replication/records.ts';
import type { Control } from '../control.ts';
import { REPLICATION_RETRY_FIRST_MS, REPLICATION_RETRY_LONGEST_MS } from '../limits.ts';
import { withHooks } from '../storage/hooks.ts';
import type { Call } from '../storage-port.ts';
import { type ReportProgress, STOPPED_MESSAGE } from '../tasks/task-runner.ts';
import { changeReplication } from './change-replication.ts';
import { syncLinks } from './link-run.ts';
import { prunePoints } from './prune-points.ts';
import { sendPoint } from './send-point.ts';
import { current, lastCommon, occasionOf, subjectOf } from './situation.ts';

export const RUN_TASK = 'replication.run';

/** What came of a run. */
export interface RunResult {
  readonly replication: string;
  /** undefined: the arrays do it. */
  readonly point: number | undefined;
}

/** @throws Fault IN_USE (it is failed over, paused, or being sent), LIMIT_EXCEEDED */
export function startRun(control: Control, replication: ReplicationRecord): TaskRecord {
  refuseRun(replication);
  if (control.replicationRuns.has(replication.id)) {
    throw new Fault('IN_USE', `replication ${replication.name} is sending a point`, {
      field: 'replication.state',
      value: 'syncing',
      expected: 'a replication that sends nothing',
    });
  }
  const { id } = replication;
  const task = control.tasks.start(RUN_TASK, subjectOf(replication), (report, signal) =>
    control.replicationTurns
      .run(id, () => runOnce(control, id, report, signal))
      .finally(() => control.replicationRuns.delete(id)),
  );
  control.replicationRuns.set(id, task.id);
  return task;
}

function refuseRun({ name, failover, paused, state }: ReplicationRecord): void {
  const why =
    failover !== 'none'
      ? 'is failed over: reverse or resynchronise it first'
      : paused
        ? 'is paused'
        : undefined;
  if (why === undefined) return;
  throw new Fault('IN_USE', `replication ${name} ${why}`, {
    field: 'replication.state',
    value: state,
    expected: 'a replication that is neither failed over nor paused',
  });
}

/** Ends what is being sent, and waits until it has ended. The point stays, to go on later. */
export async function stopRun(control: Control, id: string): Promise<void> {
  const taskId = control.replicationRuns.get(id);
  if (taskId === undefined) return;
  control.tasks.cancel(taskId);
  await control.tasks.settled(taskId);
}

/** Inside the replication's turn. */
export async function runOnce(
  control: Control,
  id: string,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<RunResult> {
  const before = current(control.catalog, id);
  refuseRun(before);
  changeReplication(control, id, { isRunning: true, state: stateWhileRunning(control, before) });
  let isDone = false;
  try {
    signal.throwIfAborted();
    const occasion = occasionOf(control, before, 'replication', {});
    const { value } = await withHooks(control, occasion, signal, async () => {
      const result = await runInMode(control, before, report, signal);
      ended(control, id, {});
      isDone = true;
      return result;
    });
    if (before.mode === 'engine') await prunePoints(control, id, callOf(signal));
    return value;
  } catch (error) {
    // A hook that fails afterwards undoes nothing.
    if (!isDone) tellFailed(control, id, signal.aborted ? signal.reason : error);
    throw error;
  }
}

async function runInMode(
  control: Control,
  { id, mode, name }: ReplicationRecord,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<RunResult> {
  if (mode === 'engine') {
    const { number } = await sendPoint(control, id, report, signal);
    return { replication: name, point: number };
  }
  await syncLinks(control, id, signal);
  return { replication: name, point: undefined };
}

function callOf(signal: AbortSignal): Call {
  return { signal, progress: () => undefined };
}

function stateWhileRunning({ catalog }: Control, replication: ReplicationRecord) {
  const { id, state, mode, syncedAt } = replication;
  if (state === 'reprotecting') return state;
  if (mode === 'array') return syncedAt === undefined ? 'initializing' : 'syncing';
  return lastCommon(catalog, id) === undefined ? 'initializing' : 'syncing';
}

function ended(control: Control, id: string, change: Partial<ReplicationRecord>): void {
  const { intervalMs } = current(control.catalog, id);
  const nextAt = intervalMs === undefined ? undefined : control.clock.now() + intervalMs;
  changeReplication(control, id, { isRunning: false, nextAt, ...change });
}

function tellFailed(control: Control, id: string, error: unknown): void {
  if (control.catalog.replications.byId(id) === undefined) return;
  // It goes on by itself when the service is there again.
  if (error instanceof Fault && error.message === STOPPED_MESSAGE) return;
  const before = current(control.catalog, id);
  if (error instanceof Fault && error.code === 'CANCELLED') {
    const state =
      lastCommon(control.catalog, id) === undefined ? 'initializing' : 'idle-consistent';
    ended(control, id, { state: before.paused ? 'paused' : state });
    return;
  }
  const failures = before.failures + 1;
  const reason = error instanceof Error ? error.message : String(error);
  const wait = Math.min(
    REPLICATION_RETRY_FIRST_MS * 2 ** Math.min(before.failures, 20),
    REPLICATION_RETRY_LONGEST_MS,
  );
  changeReplication(
    control,
    id,
    {
      ...{ isRunning: false, state: 'error', reason, failures },
      // Also of one that runs only when it is asked to: it was, and it is not done.
      nextAt: control.clock.now() + wait,
    },
    {
      kind: 'replication.failed',
      message: `replication ${before.name} could not send a point: ${reason}`,
      data: { failures, ...(error instanceof Fault ? { code: error.code } : {}) },
    },
  );
}
