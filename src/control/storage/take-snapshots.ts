/** Snapshots of one moment, between the hooks: at the wish of somebody, of a group, and of a schedule. */
import { Fault } from '../../errors/index.ts';
import type { GroupRecord, SnapshotRecord, VolumeRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import { MAX_SNAPSHOTS_PER_VOLUME } from '../limits.ts';
import type { HookResultView } from '../schemas/hook.ts';
import type { Call, StoredSnapshot } from '../storage-port.ts';
import { type HooksBefore, withHooks } from './hooks.ts';
import { repositoryName, requireAttached, snapshotSubject, volumeNameOf } from './names.ts';
import { refuseReplica } from './refuse-replica.ts';
import { inTurn } from './turns.ts';

export interface SnapshotPlan {
  readonly volumeIds: readonly string[];
  readonly name: string;
  readonly description: string;
  readonly group: GroupRecord | undefined;
  readonly schedule: { readonly id: string; readonly name: string } | undefined;
  /** For each, in the transaction that keeps them. */
  readonly whenKept?: (snapshot: SnapshotRecord) => void;
  /** Of the hooks' events. */
  readonly subject: string;
}

export interface TakenSnapshots {
  readonly snapshots: readonly SnapshotRecord[];
  readonly hooks: readonly HookResultView[];
}

/** @throws Fault NOT_FOUND, ALREADY_EXISTS, LIMIT_EXCEEDED, UNREACHABLE, HOOK_FAILED, and what Storage.snapshot throws */
export function takeSnapshots(
  control: Control,
  plan: SnapshotPlan,
  call: Call,
): Promise<TakenSnapshots> {
  // Two that freeze the same application would have one snapshot after the other's thaw. Others (a clone that a hook
  // makes) may come in between: only the snapshot itself is in the volumes' own turn.
  const turns = plan.volumeIds.map((id) => `hooks/${id}`);
  return inTurn(control, turns, async () => {
    const volumes = plan.volumeIds.map((id) => takeable(control, plan, id));
    const { value, hooks } = await withHooks(
      control,
      {
        of: 'snapshot',
        subject: plan.subject,
        volumes,
        group: plan.group,
        facts: {
          ROOTCAST_SNAPSHOT: plan.name,
          ...(plan.schedule === undefined ? {} : { ROOTCAST_SCHEDULE: plan.schedule.name }),
        },
      },
      call.signal,
      (before) => inTurn(control, plan.volumeIds, () => take(control, plan, before, call)),
    );
    return { snapshots: value, hooks };
  });
}

async function take(
  control: Control,
  plan: SnapshotPlan,
  before: HooksBefore,
  call: Call,
): Promise<readonly SnapshotRecord[]> {
  const of = plan.volumeIds.map((id) => ({
    volume: volumeNameOf(takeable(control, plan, id)),
    snapshotId: control.newId(),
    name: plan.name,
  }));
  return control.storage.snapshot(
    { of },
    (stored) =>
      keep(control, plan, before, new Map(stored.map((one) => [one.snapshotId, one])), of),
    call,
  );
}

function keep(
  control: Control,
  plan: SnapshotPlan,
  before: HooksBefore,
  stored: ReadonlyMap<string, StoredSnapshot>,
  of: readonly { readonly volume: { readonly volumeId: string }; readonly snapshotId: string }[],
): readonly SnapshotRecord[] {
  const { catalog } = control;
  return control.change((record) => {
    const groupId = of.length > 1 ? control.newId() : undefined;
    return of.map(({ volume: { volumeId }, snapshotId }) => {
      const made = stored.get(snapshotId);
      if (made === undefined) throw new Fault('INTERNAL', 'a snapshot is missing in the answer');
      const volume = takeable(control, plan, volumeId);
      const snapshot: SnapshotRecord = {
        id: snapshotId,
        repositoryId: volume.repositoryId,
        volumeId,
        volumeName: volume.name,
        name: plan.name,
        description: plan.description,
        parentId: volume.headSnapshotId ?? volume.parentSnapshotId,
        groupId,
        size: made.size,
        handle: made.handle,
        emulated: made.emulated,
        consistency: before.isQuiesced(volumeId) ? 'application' : 'crash',
        scheduleId: scheduleOf(control, plan),
        held: false,
        // By our clock: retention goes by it, and one of an array that is set back would have the newest deleted.
        createdAt: control.clock.now(),
      };
      catalog.snapshots.insert(snapshot);
      plan.whenKept?.(snapshot);
      catalog.volumes.update({ ...volume, headSnapshotId: snapshotId });
      const repository = repositoryName(catalog, volume.repositoryId);
      const address = `${repository}/${volume.name}@${plan.name}`;
      record({
        kind: 'snapshot.created',
        subject: snapshotSubject(repository, snapshot),
        message: `snapshot ${address} taken (${snapshot.consistency}-consistent${made.emulated ? ', emulated' : ''})`,
        data: { snapshotId, volumeId, groupId, schedule: plan.schedule?.name },
      });
      return snapshot;
    });
  });
}

/** The schedule may have been deleted meanwhile. */
function scheduleOf({ catalog }: Control, { schedule }: SnapshotPlan): string | undefined {
  return schedule === undefined ? undefined : catalog.schedules.byId(schedule.id)?.id;
}

/** @throws Fault */
function takeable(control: Control, { name }: SnapshotPlan, volumeId: string): VolumeRecord {
  const { catalog } = control;
  const volume = catalog.volumes.byId(volumeId);
  const repository =
    volume === undefined ? undefined : catalog.repositories.byId(volume.repositoryId);
  if (volume === undefined || repository === undefined) {
    throw new Fault('NOT_FOUND', 'a volume was deleted meanwhile', {
      field: 'snapshot.volumes',
      value: volumeId,
    });
  }
  requireAttached(control, repository);
  // It may have become one since it was asked for.
  refuseReplica(volume, 'what a snapshot is taken of');
  const address = `${repository.name}/${volume.name}`;
  if (catalog.snapshots.byName(volumeId, name) !== undefined) {
    throw new Fault('ALREADY_EXISTS', `volume ${address} has a snapshot ${name} already`, {
      field: 'snapshot.name',
      value: name,
      expected: 'a name that no other snapshot of the volume has',
    });
  }
  if (catalog.snapshots.countOfVolume(volumeId) >= MAX_SNAPSHOTS_PER_VOLUME) {
    throw new Fault('LIMIT_EXCEEDED', `volume ${address} has too many snapshots`, {
      field: 'volume.snapshots',
      value: MAX_SNAPSHOTS_PER_VOLUME,
      expected: `at most ${MAX_SNAPSHOTS_PER_VOLUME}`,
    });
  }
  return volume;
}
