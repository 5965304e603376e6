import { Fault } from '../../../errors/index.ts';
import type { SnapshotRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { HookResultView } from '../../schemas/hook.ts';
import type {
  CreateSnapshotInput,
  GroupSnapshotInput,
  SnapshotView,
} from '../../schemas/snapshot.ts';
import { currentVolume } from '../../storage/current-volume.ts';
import { repositorySubject, requireAttached, volumeSubject } from '../../storage/names.ts';
import { refuseReplica } from '../../storage/refuse-replica.ts';
import { type SnapshotPlan, takeSnapshots } from '../../storage/take-snapshots.ts';
import { parseName } from '../../values/name.ts';
import { taskView } from '../task-view.ts';
import { findGroup, findVolume, refuseTaken } from './find-storage.ts';
import { snapshotView } from './snapshot-view.ts';
import { callOf, NOTHING_MORE, type WhenKept } from './volume-tasks.ts';

/** What came of it, for the task's result. */
export interface SnapshotsTaken {
  readonly snapshots: readonly SnapshotView[];
  readonly hooks: readonly HookResultView[];
}

/** Several: of one moment. @throws Fault NOT_FOUND, ALREADY_EXISTS, UNREACHABLE. The task fails with HOOK_FAILED … */
export function createSnapshot(
  control: Control,
  repositoryName: string,
  { volumes: names, name, description = '' }: CreateSnapshotInput,
  whenKept: WhenKept<SnapshotRecord> = NOTHING_MORE,
): TaskView {
  const volumeIds = names.map((volumeName) => {
    const { repository, volume } = findVolume(control.catalog, repositoryName, volumeName);
    requireAttached(control, repository);
    return volume.id;
  });
  const [only] = names;
  const subject =
    only !== undefined && names.length === 1
      ? volumeSubject(repositoryName, only)
      : repositorySubject(repositoryName);
  return start(control, {
    volumeIds,
    name,
    description,
    group: undefined,
    schedule: undefined,
    subject,
    whenKept,
  });
}

/** Of all volumes of a group. @throws Fault NOT_FOUND, ALREADY_EXISTS, UNREACHABLE */
export function snapshotVolumeGroup(
  control: Control,
  groupName: string,
  { name, description = '' }: GroupSnapshotInput,
): TaskView {
  const group = findGroup(control.catalog, groupName);
  const volumeIds = control.catalog.volumeGroups.members(group.id);
  const subject = `volume-group/${groupName}`;
  return start(control, { volumeIds, name, description, group, schedule: undefined, subject });
}

function start(control: Control, plan: SnapshotPlan): TaskView {
  const { snapshots } = control.catalog;
  parseName(plan.name, 'snapshot.name');
  if (plan.volumeIds.length === 0) {
    throw new Fault('INVALID_INPUT', 'there is no volume to take a snapshot of', {
      field: 'snapshot.volumes',
      value: [],
      expected: 'at least one volume',
    });
  }
  for (const id of plan.volumeIds) {
    refuseReplica(currentVolume(control, id), 'what a snapshot is taken of');
    refuseTaken(snapshots.byName(id, plan.name), 'snapshot', plan.name, 'snapshot.name');
  }
  const task = control.tasks.start('snapshot.create', plan.subject, async (report, signal) => {
    const call = callOf(report, signal, 'taking snapshots');
    const taken = await takeSnapshots(control, plan, call);
    return {
      snapshots: taken.snapshots.map((snapshot) => snapshotView(control, snapshot)),
      hooks: taken.hooks,
    } satisfies SnapshotsTaken;
  });
  return taskView(task);
}
