import type {
  PointRecord,
  ReplicationMember,
  ReplicationRecord,
  Side,
} from '../../catalog/replication/records.ts';
import type { Control } from '../../control.ts';
import { newestMoment } from '../../replication/objective.ts';
import { isOnSide, lastCommon, snapshotOf, targetSide } from '../../replication/situation.ts';
import type { ReplicationPointView, ReplicationView } from '../../schemas/replication.ts';
import { repositoryName, addressOf as volumeAddress } from '../../storage/names.ts';
import { durationText } from '../../values/duration.ts';
import { iso } from '../time-view.ts';

export function replicationView(control: Control, replication: ReplicationRecord): ReplicationView {
  const { catalog, clock } = control;
  const { id, sourceSide, repositories } = replication;
  const target = targetSide(replication);
  const members = catalog.replications.members(id);
  const moment = newestMoment(control, replication);
  const { intervalMs, rpoMs, nextAt } = replication;
  return {
    id,
    name: replication.name,
    description: replication.description,
    mode: replication.mode,
    state: replication.state,
    reason: replication.reason ?? null,
    source: repositoryName(catalog, repositories[sourceSide]),
    target: repositoryName(catalog, repositories[target]),
    reversed: sourceSide === 'right',
    failover: replication.failover,
    paused: replication.paused,
    volumes: members.map((member) => ({
      source: addressOf(control, replication, member, sourceSide),
      target: addressOf(control, replication, member, target),
    })),
    interval: intervalMs === undefined ? null : durationText(intervalMs),
    rpo: rpoMs === undefined ? null : durationText(rpoMs),
    rpoMissed: replication.rpoMissed,
    ageSeconds:
      moment === undefined ? null : Math.max(0, Math.floor((clock.now() - moment) / 1000)),
    throttle: replication.bytesPerSecond ?? null,
    compare: replication.compare,
    verification: replication.verification,
    keepSource: replication.keepSource,
    keepTarget: replication.keepTarget,
    running: replication.isRunning,
    taskId: control.replicationRuns.get(id) ?? null,
    nextAt: nextAt === undefined ? null : iso(nextAt),
    lastCommon: lastCommon(catalog, id)?.number ?? null,
    points: catalog.points
      .ofReplication(id)
      .map((point) => pointView(control, replication, members, point)),
    tests: catalog.replications.tests(id).map(({ volumeId }) => volumeAddress(catalog, volumeId)),
    createdAt: iso(replication.createdAt),
  };
}

function pointView(
  control: Control,
  replication: ReplicationRecord,
  members: readonly ReplicationMember[],
  point: PointRecord,
): ReplicationPointView {
  const target = targetSide(replication);
  return {
    number: point.number,
    state: point.state,
    damaged: point.damaged,
    takenAt: iso(point.takenAt),
    completedAt: point.completedAt === undefined ? null : iso(point.completedAt),
    onSource: isOnSide(point, replication.sourceSide),
    onTarget: isOnSide(point, target),
    volumes: point.members.map((member) => {
      const of = members[member.position];
      return {
        volume: of === undefined ? '' : addressOf(control, replication, of, target),
        snapshot: snapshotOf(control.catalog, member, target)?.name ?? null,
        size: member.size,
        contentId: member.contentId ?? null,
        position: member.cursor?.position ?? null,
        figures: member.figures ?? null,
      };
    }),
  };
}

function addressOf(
  { catalog }: Control,
  { repositories }: ReplicationRecord,
  member: ReplicationMember,
  side: Side,
): string {
  const id = member[side];
  const name = id === undefined ? member.rightName : catalog.volumes.byId(id)?.name;
  return `${repositoryName(catalog, repositories[side])}/${name ?? member.rightName}`;
}
