/** One run of a schedule: snapshots of its volumes, and then what has had its time is deleted. */
import { Fault } from '../../errors/index.ts';
import type { ScheduleRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import type { HookResultView } from '../schemas/hook.ts';
import type { Call } from '../storage-port.ts';
import type { ReportProgress } from '../tasks/task-runner.ts';
import { expired } from '../values/retention.ts';
import { addressOf } from './names.ts';
import { removeSnapshot } from './remove-snapshot.ts';
import { snapshotNameAt } from './rhythm.ts';
import { takeSnapshots } from './take-snapshots.ts';

export interface ScheduleRun {
  /** REPOSITORY/VOLUME@SNAPSHOT */
  readonly taken: readonly string[];
  readonly deleted: readonly string[];
  /** What could not be deleted now: tried again after the next run. */
  readonly kept: readonly { readonly snapshot: string; readonly reason: string }[];
  readonly hooks: readonly HookResultView[];
}

interface Run {
  readonly taken: string[];
  readonly deleted: string[];
  readonly kept: { readonly snapshot: string; readonly reason: string }[];
  readonly hooks: HookResultView[];
}

/**
 * Of a group: of one moment. Of volumes: each for itself, and one that fails keeps no other from it.
 * @throws Fault when not all could be taken; what was taken stays
 */
export async function runSchedule(
  control: Control,
  schedule: ScheduleRecord,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<ScheduleRun> {
  const run: Run = { taken: [], deleted: [], kept: [], hooks: [] };
  const name = snapshotNameAt(schedule, control.clock.now());
  const parts = partsOf(control, schedule);
  const failures: { readonly of: string; readonly error: unknown }[] = [];
  for (const [index, volumeIds] of parts.entries()) {
    signal.throwIfAborted();
    const progress = (fraction: number): void =>
      report(Math.min(99, ((index + fraction) / parts.length) * 100), `taking ${name}`);
    progress(0);
    const call = { signal, progress };
    try {
      await takePart(control, schedule, { volumeIds, name, call }, run);
    } catch (error) {
      if (signal.aborted) throw error;
      failures.push({
        of: volumeIds.map((id) => addressOf(control.catalog, id)).join(', '),
        error,
      });
    }
    // Also where none was taken now: what is too much is too much.
    await prune(control, schedule, volumeIds, call, run);
  }
  refuseFailures(schedule, failures);
  return run;
}

/** Volumes that are taken together. Replicas have the snapshots that their replication gives them. */
function partsOf(
  { catalog }: Control,
  { id, groupId }: ScheduleRecord,
): readonly (readonly string[])[] {
  const isNoReplica = (volumeId: string): boolean =>
    catalog.volumes.byId(volumeId)?.role !== 'replica';
  if (groupId === undefined) {
    const members = catalog.schedules.members(id).filter(isNoReplica);
    return members.map((volumeId) => [volumeId]);
  }
  const members = catalog.volumeGroups.members(groupId).filter(isNoReplica);
  return members.length === 0 ? [] : [members];
}

async function takePart(
  control: Control,
  schedule: ScheduleRecord,
  part: { readonly volumeIds: readonly string[]; readonly name: string; readonly call: Call },
  run: Run,
): Promise<void> {
  const { id, name: scheduleName, groupId } = schedule;
  const taken = await takeSnapshots(
    control,
    {
      volumeIds: part.volumeIds,
      name: part.name,
      description: '',
      group: groupId === undefined ? undefined : control.catalog.volumeGroups.byId(groupId),
      schedule: { id, name: scheduleName },
      subject: `snapshot-schedule/${scheduleName}`,
    },
    part.call,
  );
  run.hooks.push(...taken.hooks);
  for (const { volumeId = '', name } of taken.snapshots) {
    run.taken.push(`${addressOf(control.catalog, volumeId)}@${name}`);
  }
}

/** Only what this schedule took itself, and nobody holds. */
async function prune(
  control: Control,
  { id }: ScheduleRecord,
  volumeIds: readonly string[],
  call: Call,
  run: Run,
): Promise<void> {
  // As it is by now: somebody may have wanted more of them to stay since the run began.
  const keep = control.catalog.schedules.byId(id)?.keep ?? {};
  for (const volumeId of volumeIds) {
    const taken = control.catalog.snapshots.ofSchedule(id, volumeId);
    for (const snapshot of expired(taken, keep)) {
      if (snapshot.held) continue;
      call.signal.throwIfAborted();
      const address = `${addressOf(control.catalog, volumeId)}@${snapshot.name}`;
      try {
        await removeSnapshot(control, snapshot.id, { ...call, progress: () => undefined });
        run.deleted.push(address);
      } catch (error) {
        if (call.signal.aborted) throw error;
        run.kept.push({
          snapshot: address,
          reason: error instanceof Error ? error.message : String(error),
        });
      }
    }
  }
}

function refuseFailures(
  { name }: ScheduleRecord,
  failures: readonly { readonly of: string; readonly error: unknown }[],
): void {
  const [first] = failures;
  if (first === undefined) return;
  const { error } = first;
  const told = failures.map(
    ({ of, error: why }) => `${of}: ${why instanceof Error ? why.message : String(why)}`,
  );
  throw new Fault(
    error instanceof Fault ? error.code : 'INTERNAL',
    `schedule ${name}: no snapshot of ${told.join('; ')}`,
    {
      field: 'snapshotSchedule.volumes',
      value: failures.map(({ of }) => of),
      expected: 'volumes of which a snapshot can be taken',
    },
    { cause: error },
  );
}
