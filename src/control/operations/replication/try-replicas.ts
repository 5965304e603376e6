/** What proves a replica without touching it: test failovers, and reading all of it. */

import type {
  PointMember,
  PointRecord,
  ReplicationRecord,
  Side,
} from '../../catalog/replication/records.ts';
import type { VolumeRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import { changeReplication } from '../../replication/change-replication.ts';
import { pointGone } from '../../replication/heads.ts';
import { refusePointsOfArrays } from '../../replication/links.ts';
import {
  current,
  isOnSide,
  partsOf,
  snapshotOf,
  subjectOf,
  targetSide,
  volumeOf,
} from '../../replication/situation.ts';
import type { TaskView } from '../../schemas/activity.ts';
import type { TestFailoverInput, VerifyReplicationInput } from '../../schemas/replication.ts';
import { turnsOf } from '../../storage/delete-stored-snapshot.ts';
import { repositoryName, snapshotNameOf } from '../../storage/names.ts';
import { storedFacts } from '../../storage/stored-facts.ts';
import { inTurn } from '../../storage/turns.ts';
import type { Call, StoredVolume } from '../../storage-port.ts';
import { parseName } from '../../values/name.ts';
import { refuseTaken } from '../storage/find-storage.ts';
import { taskView } from '../task-view.ts';
import { findPoint, findReplication } from './find-replication.ts';

/**
 * Clones of a point of the replica, as ordinary volumes: to be started from, and thrown away.
 * @throws Fault NOT_FOUND, INVALID_INPUT, LIMIT_EXCEEDED, UNSUPPORTED (the arrays' own points cannot be cloned)
 */
export function testFailover(control: Control, name: string, input: TestFailoverInput): TaskView {
  const replication = findReplication(control.catalog, name);
  refusePointsOfArrays(replication, 'a test failover');
  const point = findPoint(control.catalog, replication, input.point);
  const task = control.tasks.start('replication.test', subjectOf(replication), (report, signal) =>
    control.replicationTurns.run(replication.id, async () => {
      const call: Call = { signal, progress: (fraction) => report(fraction * 100, 'cloning') };
      const made: string[] = [];
      for (const member of point.members) {
        made.push(await cloneMember(control, replication, point, member, input, call));
      }
      return { replication: name, point: point.number, volumes: made };
    }),
  );
  return taskView(task);
}

async function cloneMember(
  control: Control,
  { id, name }: ReplicationRecord,
  point: PointRecord,
  member: PointMember,
  { prefix, kind = 'linked' }: TestFailoverInput,
  call: Call,
): Promise<string> {
  const { catalog, storage } = control;
  const side = targetSide(current(catalog, id));
  const pair = catalog.replications.members(id)[member.position];
  const snapshot = snapshotOf(catalog, member, side);
  if (pair === undefined || snapshot === undefined) throw pointGone(point);
  const replica = volumeOf(catalog, pair, side);
  const cloneName = parseName(`${prefix}${replica.name}`, 'prefix');
  const refuse = (): void => {
    const taken = catalog.volumes.byName(replica.repositoryId, cloneName);
    refuseTaken(taken, 'volume', cloneName, 'prefix');
  };
  refuse();
  const volumeId = control.newId();
  const request = { repositoryId: replica.repositoryId, volumeId, name: cloneName, kind };
  const keep = (stored: StoredVolume): string =>
    control.change((record) => {
      refuse();
      const volume: VolumeRecord = {
        ...storedFacts(stored),
        ...{ id: volumeId, repositoryId: replica.repositoryId, name: cloneName },
        ...{ role: 'volume', description: `test failover of ${name}` },
        parentSnapshotId: kind === 'linked' ? snapshot.id : undefined,
        ...{ parentVolumeId: undefined, headSnapshotId: undefined },
        createdAt: control.clock.now(),
      };
      catalog.volumes.insert(volume);
      catalog.replications.addTest(id, volumeId, point.number);
      const address = `${repositoryName(catalog, replica.repositoryId)}/${cloneName}`;
      record({
        kind: 'replication.tested',
        subject: `replication/${name}`,
        message: `point ${point.number} of replication ${name} is volume ${address} now, as a test`,
      });
      return address;
    });
  const source = snapshotNameOf(snapshot);
  return await inTurn(control, turnsOf(snapshot), () =>
    storage.clone({ source, ...request }, keep, call),
  );
}

/** What was read of one volume of a point. */
export interface VerifiedMember {
  readonly volume: string;
  readonly repository: string;
  readonly same: boolean;
  readonly contentId: string;
  /** As it was sent. */
  readonly expected: string;
  /** Bytes that were read. */
  readonly read: number;
}

/**
 * Reads a point on the side of the replica, and on the source's if asked to, and compares it with what was sent.
 * A replica that is something else is told, and never sent differences to again.
 * @throws Fault NOT_FOUND, LIMIT_EXCEEDED
 */
export function verifyReplication(
  control: Control,
  name: string,
  input: VerifyReplicationInput,
): TaskView {
  const replication = findReplication(control.catalog, name);
  refusePointsOfArrays(replication, 'verifying');
  const point = findPoint(control.catalog, replication, input.point);
  const sides: readonly Side[] = [
    targetSide(replication),
    ...(input.source === true ? [replication.sourceSide] : []),
  ];
  for (const side of sides) if (!isOnSide(point, side)) throw pointGone(point);
  const subject = subjectOf(replication);
  const task = control.tasks.start('replication.verify', subject, async (report, signal) => {
    const volumes: VerifiedMember[] = [];
    for (const side of sides) {
      for (const member of point.members) {
        const share = volumes.length / (sides.length * point.members.length);
        const progress = (fraction: number): void =>
          report(100 * (share + fraction / (sides.length * point.members.length)), 'reading');
        volumes.push(
          await verifyMember(control, replication, point, member, side, progress, signal),
        );
      }
    }
    tellDamage(control, replication, point, volumes);
    return { replication: name, point: point.number, volumes };
  });
  return taskView(task);
}

async function verifyMember(
  control: Control,
  { id }: ReplicationRecord,
  point: PointRecord,
  member: PointMember,
  side: Side,
  progress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<VerifiedMember> {
  const { catalog } = control;
  const snapshot = snapshotOf(catalog, member, side);
  const { contentId: expected } = member;
  if (snapshot === undefined || expected === undefined) throw pointGone(point);
  const request = { replicationId: id, snapshot: snapshotNameOf(snapshot), size: member.size };
  const { contentId, read } = await partsOf(control).replicator.read(request, { signal, progress });
  const repository = catalog.repositories.byId(snapshot.repositoryId)?.name ?? '';
  const same = contentId === expected;
  return { volume: snapshot.volumeName, repository, same, contentId, expected, read };
}

function tellDamage(
  control: Control,
  { id, name, repositories }: ReplicationRecord,
  { number, id: pointId }: PointRecord,
  volumes: readonly VerifiedMember[],
): void {
  const wrong = volumes.filter(({ same }) => !same);
  if (wrong.length === 0) return;
  control.change(() => {
    const point = control.catalog.points.byId(pointId);
    if (point !== undefined) control.catalog.points.update({ ...point, damaged: true });
    const told = wrong.map(({ repository, volume }) => `${repository}/${volume}`).join(', ');
    changeReplication(
      control,
      id,
      { state: 'broken', reason: `point ${number} is not what was sent: ${told}` },
      {
        kind: 'replication.damaged',
        message: `point ${number} of replication ${name} is not what was sent: ${told}`,
        data: { point: number, volumes: wrong, repositories },
      },
    );
  });
}
