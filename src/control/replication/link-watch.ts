/**
 * What the arrays say of links, and what that means for the replication. Roles are asked of both ends: they may have
 * changed without us (by an administrator, or by a failover of which the answer was lost), and then `show` says what
 * to do about it.
 */

import type { ReplicationRecord, Side } from '../catalog/replication/records.ts';
import type { VolumeRecord } from '../catalog/storage/records.ts';
import type { Control } from '../control.ts';
import type { LinkStatus } from '../replication-port.ts';
import { repositoryName } from '../storage/names.ts';
import { changeReplication } from './change-replication.ts';
import { unfence } from './fence.ts';
import { adoptCopies } from './link-copies.ts';
import { linksOf, statusOfLink } from './links.ts';
import { current, targetSide, volumesOf } from './situation.ts';

/** One end of one member. */
export type Seen =
  | LinkStatus
  /** It is in no link, or is not there. */
  | undefined
  /** It could not be asked. */
  | { readonly error: string };

/** Per member that the side has. */
export type SeenSides = Readonly<Record<Side, readonly Seen[]>>;

/** Asks both ends of every member; what cannot be asked is told as that. */
export async function seenOfLinks(control: Control, id: string): Promise<SeenSides> {
  const { catalog } = control;
  const members = catalog.replications.members(id);
  const [left, right] = await Promise.all([
    seenOf(control, volumesOf(catalog, members, 'left')),
    seenOf(control, volumesOf(catalog, members, 'right')),
  ]);
  return { left, right };
}

async function seenOf(
  control: Control,
  volumes: readonly VolumeRecord[],
): Promise<readonly Seen[]> {
  const links = linksOf(control);
  const seen: Seen[] = [];
  for (const volume of volumes) {
    const { repositoryId, name } = volume;
    if (!control.storage.isAttached(repositoryId)) {
      const repository = repositoryName(control.catalog, repositoryId);
      seen.push({ error: `repository ${repository} is not attached` });
      continue;
    }
    try {
      seen.push(await statusOfLink(links, volume));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      seen.push({ error: `${name}: ${why}` });
    }
  }
  return seen;
}

export const isPrimary = (seen: Seen): boolean => isTold(seen) && seen.role === 'primary';

function isTold(seen: Seen): seen is LinkStatus {
  return seen !== undefined && 'role' in seen;
}

/** A failover of this replication was begun, and its end is not in the catalog. */
export function isInterrupted({ mode, failover, state }: ReplicationRecord): boolean {
  return mode === 'array' && failover === 'none' && state === 'promoting';
}

/** By itself, every now and then: changes nothing while something is done with the replication. */
export async function watchLinks(control: Control, id: string): Promise<void> {
  const { replicationTurns, storage } = control;
  if (replicationTurns.isTaken(id)) return;
  const before = current(control.catalog, id);
  if (Object.values(before.repositories).some((each) => isAwaited(control, each))) return;
  const side = targetSide(before);
  const seen = await seenOfLinks(control, id);
  if (replicationTurns.isTaken(id) || control.catalog.replications.byId(id) === undefined) return;
  keepSeen(control, before, seen);
  // The array has made it by now, or another one.
  const members = control.catalog.replications.members(id).length;
  const isComplete = seen[side].length === members && !seen[side].includes(undefined);
  if (isComplete || !storage.isAttached(before.repositories[side])) return;
  if (before.failover !== 'none' || !seen[before.sourceSide].some(isPrimary)) return;
  await replicationTurns.run(id, () => adoptCopies(control, id));
}

/** After a start: it is being attached, and says nothing yet. */
function isAwaited({ catalog, storage }: Control, repositoryId: string): boolean {
  const isMeantToBe = catalog.repositories.byId(repositoryId)?.state === 'attached';
  return isMeantToBe && !storage.isAttached(repositoryId);
}

/** Inside the replication's turn. */
export async function observeLinks(control: Control, id: string): Promise<void> {
  const before = current(control.catalog, id);
  keepSeen(control, before, await seenOfLinks(control, id));
}

function keepSeen(control: Control, before: ReplicationRecord, seen: SeenSides): void {
  const now = current(control.catalog, before.id);
  if (now.failover !== before.failover || now.sourceSide !== before.sourceSide) return;
  if (isInterrupted(now)) return;
  if (now.failover === 'forced') keepOldSource(control, now, seen[targetSide(now)]);
  if (now.failover !== 'none') return;
  const found = meaningOf(control, now, seen);
  if (found === undefined) return;
  const { state, reason, syncedAt } = found;
  // A run failed, and its reason says more than that the link itself is well.
  const isWell = SEVERITY[state] < SEVERITY.demoted;
  const told = now.failures > 0 && isWell ? {} : { state, reason };
  changeReplication(control, now.id, {
    ...told,
    // An array whose clock is ahead has nothing from the future: its age would never be alarmed.
    ...(syncedAt === undefined ? {} : { syncedAt: Math.min(syncedAt, control.clock.now()) }),
  });
  const isSourceBack =
    seen[now.sourceSide].every(isPrimary) && !seen[targetSide(now)].some(isPrimary);
  // A failover came to nothing, and the source was made the original again by somebody else.
  if (isSourceBack) unfence(control, now.id, now.sourceSide);
}

/** After a forced failover: the old source is there again, and still says that it is the original. */
function keepOldSource(control: Control, now: ReplicationRecord, seen: readonly Seen[]): void {
  if (now.diverged !== undefined) return;
  const isSplit = (each: Seen): boolean =>
    isPrimary(each) || (isTold(each) && each.state === 'split-brain');
  if (!seen.some(isSplit)) return;
  const { name, id } = now;
  changeReplication(
    control,
    id,
    {
      ...{ diverged: true, state: 'split-brain' },
      reason: `the old source is there, and was never told to let go: ${wayOutOfSplit(control, now)}`,
    },
    {
      kind: 'replication.diverged',
      message: `both sides of replication ${name} say that they are the original`,
    },
  );
}

interface Meaning {
  readonly state: ReplicationRecord['state'];
  readonly reason: string | undefined;
  readonly syncedAt: number | undefined;
}

/** The worst of the members' states is the replication's; its moment is the oldest. */
function meaningOf(control: Control, now: ReplicationRecord, seen: SeenSides): Meaning | undefined {
  const ours = seen[now.sourceSide];
  const theirs = seen[targetSide(now)];
  const syncedAt = momentOf(ours, theirs);
  const failed = ours.flatMap((each) =>
    each !== undefined && 'error' in each ? [each.error] : [],
  );
  if (failed.length > 0) {
    return { state: 'unknown', reason: `the source cannot be asked: ${failed[0]}`, syncedAt };
  }
  const told = ours.filter(isTold);
  if (told.length === 0) return undefined;
  const roles = oddRoles(control, now, told, theirs);
  if (roles !== undefined) return { ...roles, syncedAt };
  const worst = told.reduce((a, b) => (SEVERITY[b.state] > SEVERITY[a.state] ? b : a));
  const state = STALE.includes(worst.state) ? 'reprotecting' : worst.state;
  const split = state === 'split-brain' ? `; ${wayOutOfSplit(control, now)}` : '';
  const reason = worst.description === '' ? undefined : `${worst.description}${split}`;
  return { state, reason, syncedAt };
}

/** What is said of changes of sides that are over, since the roles are what they should be: it is told with delay. */
const STALE: readonly ReplicationRecord['state'][] = ['promoting', 'failed-over', 'demoted'];

/** The side that copies knows best; what the other one says of it is some time old. */
function momentOf(ours: readonly Seen[], theirs: readonly Seen[]): number | undefined {
  const moments = ours.map((each, index) => {
    const copy = theirs[index];
    const both = [each, copy].flatMap((end) =>
      isTold(end) && end.syncedAt !== undefined ? [end.syncedAt] : [],
    );
    return both.length === 0 ? undefined : Math.max(...both);
  });
  const known = moments.flatMap((moment) => (moment === undefined ? [] : [moment]));
  return known.length === moments.length && known.length > 0 ? Math.min(...known) : undefined;
}

/** Roles that are not those of the catalog, and what can be done; undefined: they are. */
function oddRoles(
  control: Control,
  now: ReplicationRecord,
  told: readonly LinkStatus[],
  theirs: readonly Seen[],
): Pick<Meaning, 'state' | 'reason'> | undefined {
  const failover = `rootcast replication failover ${now.name}`;
  if (told.every(isPrimary)) {
    if (!theirs.some(isPrimary)) return undefined;
    const reason = `both sides say that they are the original: ${wayOutOfSplit(control, now)}`;
    return { state: 'split-brain', reason };
  }
  if (theirs.length > 0 && theirs.every(isPrimary)) {
    const reason = `the arrays have changed sides already: "${failover}" follows them`;
    return { state: 'error', reason };
  }
  const target = repositoryName(control.catalog, now.repositories[targetSide(now)]);
  const back = `rootcast replication resync ${now.name} --discard ${target}`;
  const reason =
    `both sides can only be read: "${failover}" (with --force, if that cannot wait) makes the replica ` +
    `the side that is written, "${back}" the source`;
  return { state: 'broken', reason };
}

function wayOutOfSplit({ catalog }: Control, { name, repositories }: ReplicationRecord): string {
  const [one, other] = [repositories.left, repositories.right].map((id) =>
    repositoryName(catalog, id),
  );
  return `"rootcast replication resync ${name} --discard ${one}" (or ${other}) says what is thrown away`;
}

const SEVERITY: Readonly<Record<ReplicationRecord['state'], number>> = {
  'in-sync': 0,
  'idle-consistent': 1,
  syncing: 2,
  reprotecting: 3,
  promoting: 4,
  initializing: 5,
  demoted: 6,
  paused: 7,
  'failed-over': 8,
  unknown: 9,
  error: 10,
  broken: 11,
  'split-brain': 12,
};
