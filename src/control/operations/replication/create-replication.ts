import { Fault } from '../../../errors/index.ts';
import type { ReplicationMember, ReplicationRecord } from '../../catalog/replication/records.ts';
import type { VolumeRecord } from '../../catalog/storage/records.ts';
import type { Control } from '../../control.ts';
import { DEFAULT_POINTS_KEPT, MAX_REPLICATION_MEMBERS, MAX_REPLICATIONS } from '../../limits.ts';
import { partsOf, subjectOf } from '../../replication/situation.ts';
import type { CreateReplicationInput, ReplicationView } from '../../schemas/replication.ts';
import { refuseDying } from '../../storage/dying.ts';
import { volumeNameOf } from '../../storage/names.ts';
import { parseName } from '../../values/name.ts';
import {
  findAddressed,
  findGroup,
  findRepository,
  refuseBeyond,
  refuseTaken,
} from '../storage/find-storage.ts';
import { settingsOf } from './replication-settings.ts';
import { replicationView } from './replication-view.ts';

/**
 * Its first point is taken at once, by itself; the replica's volumes are made then.
 * @throws Fault INVALID_INPUT, NOT_FOUND, ALREADY_EXISTS, IN_USE (a volume is in a replication), LIMIT_EXCEEDED,
 *   UNSUPPORTED (the arrays do not replicate to each other), UNAVAILABLE
 */
export async function createReplication(
  control: Control,
  input: CreateReplicationInput,
): Promise<ReplicationView> {
  const { catalog } = control;
  const { links } = partsOf(control);
  const sources = sourcesOf(control, input);
  const [first] = sources;
  if (first === undefined) throw noVolumes();
  const target = findRepository(catalog, input.target, 'target');
  if (target.id === first.repositoryId) throw sameRepository(input.target);
  let mode: ReplicationRecord['mode'] = 'engine';
  // Arrays first: what they can do, they do.
  if (input.mode !== 'engine') {
    const obstacle =
      links === undefined
        ? 'no array replicates by itself here'
        : await links.obstacle(first.repositoryId, target.id, sources.map(volumeNameOf));
    if (input.mode === 'array' && obstacle !== undefined) throw notByArrays(obstacle);
    if (obstacle === undefined) mode = 'array';
  }
  return control.change((record) => {
    refuseMore(control, parseName(input.name, 'replication.name'));
    const members = sources.map((volume, position): ReplicationMember => {
      const rightName = parseName(`${input.prefix ?? ''}${volume.name}`, 'prefix');
      refuseMember(control, volume, target.id, rightName);
      return { position, left: volume.id, right: undefined, rightName };
    });
    const now = control.clock.now();
    const replication: ReplicationRecord = {
      id: control.newId(),
      name: input.name,
      mode,
      repositories: { left: first.repositoryId, right: target.id },
      sourceSide: 'left',
      ...{ description: '', intervalMs: undefined, rpoMs: undefined, bytesPerSecond: undefined },
      ...{ compare: false, verification: 'whole' },
      ...{ keepSource: DEFAULT_POINTS_KEPT, keepTarget: DEFAULT_POINTS_KEPT },
      ...settingsOf(input),
      ...{ state: 'initializing', reason: undefined, paused: false, failover: 'none' },
      ...{ diverged: undefined, headPointId: undefined, isRunning: false, nextAt: now },
      ...{ failures: 0, rpoMissed: false, syncedAt: undefined, lastPoint: 0, createdAt: now },
    };
    catalog.replications.insert(replication, members);
    partsOf(control).replicator.setThrottle(replication.id, replication.bytesPerSecond);
    record({
      kind: 'replication.created',
      subject: subjectOf(replication),
      message: `replication ${input.name} created: to ${target.name}, by ${mode === 'array' ? 'the arrays' : 'Rootcast'}`,
      data: { ...input, mode },
    });
    return replicationView(control, replication);
  });
}

/** Named one by one, or those of a group: all of one repository. */
function sourcesOf(
  { catalog }: Control,
  { volumes, group }: CreateReplicationInput,
): readonly VolumeRecord[] {
  if ((volumes === undefined) === (group === undefined)) throw noVolumes();
  const sources =
    group === undefined
      ? (volumes ?? []).map((address) => findAddressed(catalog, address, 'volumes').volume)
      : membersOfGroup(catalog, group);
  if (sources.length === 0 || sources.length > MAX_REPLICATION_MEMBERS) throw noVolumes();
  if (new Set(sources.map(({ repositoryId }) => repositoryId)).size > 1) {
    throw new Fault('INVALID_INPUT', 'the volumes are not of one repository', {
      field: 'volumes',
      value: volumes ?? group ?? null,
      expected: 'volumes of one repository, so that their snapshots are of one moment',
    });
  }
  return sources;
}

type Catalog = Control['catalog'];

function membersOfGroup(catalog: Catalog, name: string): readonly VolumeRecord[] {
  const group = findGroup(catalog, name, 'group');
  return catalog.volumeGroups.members(group.id).flatMap((id) => catalog.volumes.byId(id) ?? []);
}

function refuseMore({ catalog }: Control, name: string): void {
  refuseTaken(catalog.replications.byName(name), 'replication', name, 'replication.name');
  refuseBeyond(catalog.replications.count(), MAX_REPLICATIONS, 'replications');
}

function refuseMember(
  control: Control,
  volume: VolumeRecord,
  targetId: string,
  rightName: string,
): void {
  const { catalog } = control;
  refuseDying(control, volume.id, `volume ${volume.name}`, 'volumes');
  const other = catalog.replications.byVolume(volume.id);
  if (other !== undefined || volume.role === 'replica') {
    const by =
      other === undefined
        ? 'is a replica: nothing is replicated from one'
        : `is in replication ${other.name}: a volume has one replica at the most`;
    throw new Fault('IN_USE', `volume ${volume.name} ${by}`, {
      field: 'volumes',
      value: volumeNameOf(volume).volumeId,
      expected: 'a volume that is in no replication (which of two would fence it in a failover?)',
    });
  }
  const taken = catalog.volumes.byName(targetId, rightName);
  if (taken === undefined) return;
  throw new Fault('ALREADY_EXISTS', `there is a volume ${rightName} in the target already`, {
    field: 'prefix',
    value: rightName,
    expected: 'a prefix, so that the names of the replica are free',
  });
}

function noVolumes(): Fault {
  return new Fault('INVALID_INPUT', 'give either volumes or a group that has some', {
    field: 'volumes',
    expected: `1 to ${MAX_REPLICATION_MEMBERS} volumes of one repository, or a group of them`,
  });
}

function sameRepository(name: string): Fault {
  return new Fault('INVALID_INPUT', 'a replica next to its source protects from nothing', {
    field: 'target',
    value: name,
    expected: 'another repository (in the same one: snapshots and clones)',
  });
}

function notByArrays(obstacle: string): Fault {
  return new Fault('UNSUPPORTED', `the arrays cannot do it: ${obstacle}`, {
    field: 'mode',
    value: 'array',
    expected: 'engine, or volumes that the two arrays can replicate to each other',
  });
}
