/**
 * Replication between two simulated arrays of one world: the primary sends points, each of one moment; the secondary
 * takes a point when all of it is there, and shows the one before until then.
 *
 * Roles are kept at each end, and what a link's state is follows from both: two primaries that see each other are a
 * split brain, which only `resync` of the side that gives in ends.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ArrayError } from '../../errors/index.ts';
import type {
  ArrayLink,
  ArrayRef,
  ReplicationControl,
  ReplicationState,
} from '../../repositories/index.ts';
import { type ArraySession, volumeRef } from './array-session.ts';
import { COPY_PAGES_AT_ONCE } from './limits.ts';
import { checkNameIsFree } from './look-up.ts';
import { pagesOf } from './page-table.ts';
import { PagedDisk } from './paged-disk.ts';
import type { SimulatedArray, StoredLink, StoredVolume } from './simulated-array.ts';

type Linked = StoredVolume & { readonly link: StoredLink };

export function simulatedReplication(session: ArraySession): ReplicationControl {
  const { array } = session;
  return {
    site: array.name,
    peers: () => session.ask('peers', () => peerNames(session)),
    enable: ({ volume: ref }) =>
      session.change('enable', undefined, () => {
        const volume = session.volume(ref);
        if (!isLinked(volume)) linkWithPeer(session, volume);
        return show(session, linked(session, ref));
      }),
    disable: ({ volume: ref }) =>
      session.change('disable', undefined, () => {
        const volume = array.volumes.get(ref.nativeId);
        if (volume === undefined || !isLinked(volume)) return;
        // The copy stays, as a volume of its own.
        const other = otherEnd(session, volume);
        if (other !== undefined) forget(other);
        forget(volume);
      }),
    status: (ref) =>
      session.ask('status', () => {
        const volume = session.volume(ref);
        return isLinked(volume) ? show(session, volume) : undefined;
      }),
    ...changingRoles(session),
  };
}

function changingRoles(
  session: ArraySession,
): Pick<ReplicationControl, 'syncNow' | 'promote' | 'demote' | 'resync'> {
  return {
    syncNow: ({ volume: ref }) =>
      session.change('syncNow', undefined, async () => {
        const volume = linked(session, ref);
        const other = reachable(session, volume);
        if (volume.link.role === other.link.role) throw split(volume);
        const [from, to] = volume.link.role === 'primary' ? [volume, other] : [other, volume];
        await send(from, to);
        return volume.link.lastSyncAt;
      }),
    promote: ({ volume: ref, force }) =>
      session.change('promote', undefined, async () => {
        const volume = linked(session, ref);
        if (volume.link.role === 'primary') return show(session, volume);
        if (force) volume.link.forced = true;
        else await takeOver(volume, otherEnd(session, volume));
        volume.link.role = 'primary';
        volume.link.demoted = false;
        return show(session, volume);
      }),
    demote: ({ volume: ref }) =>
      session.change('demote', undefined, async () => {
        const volume = linked(session, ref);
        if (volume.link.role === 'secondary') return show(session, volume);
        checkNobodyWrites(session, volume);
        volume.link.role = 'secondary';
        volume.link.demoted = true;
        const other = otherEnd(session, volume);
        if (other?.link.role === 'secondary') await send(volume, other);
        return show(session, volume);
      }),
    resync: ({ volume: ref }) =>
      session.change('resync', undefined, async () => {
        const volume = linked(session, ref);
        const other = reachable(session, volume);
        if (other.link.role !== 'primary') {
          throw new ArrayError('RELATIONSHIP_BROKEN', 'the other side is not the primary');
        }
        checkNobodyWrites(session, volume);
        volume.link.role = 'secondary';
        volume.link.forced = false;
        volume.link.demoted = false;
        forgetBase(volume);
        forgetBase(other);
        await send(other, volume);
        other.link.forced = false;
        return show(session, volume);
      }),
  };
}

function isLinked(volume: StoredVolume): volume is Linked {
  return volume.link !== undefined;
}

/** @throws ArrayError NOT_FOUND, RELATIONSHIP_BROKEN */
function linked(session: ArraySession, ref: ArrayRef): Linked {
  const volume = session.volume(ref);
  if (isLinked(volume)) return volume;
  throw new ArrayError('RELATIONSHIP_BROKEN', `volume ${volume.name} is not replicated`);
}

function peerNames({ world, settings }: ArraySession): readonly string[] {
  return settings.peer !== undefined && world.find(settings.peer) !== undefined
    ? [settings.peer]
    : [];
}

function linkWithPeer(session: ArraySession, volume: StoredVolume): void {
  const { array, world, settings } = session;
  const peer = settings.peer === undefined ? undefined : world.find(settings.peer);
  if (peer === undefined) throw new ArrayError('PEER_MISSING', 'there is no array to replicate to');
  if (!world.areConnected(array.name, peer.name)) throw unreachable(peer.name);
  checkNameIsFree(peer, volume.name);
  const { name, tag, thin, disk } = volume;
  const copy = peer.addVolume({ name, tag, thin, size: disk.size });
  volume.link = newLink(array, peer.name, copy.id, 'primary');
  copy.link = newLink(peer, array.name, volume.id, 'secondary');
}

function newLink(
  array: SimulatedArray,
  peer: string,
  peerVolume: string,
  role: StoredLink['role'],
): StoredLink {
  const id = array.newId('link');
  const fresh = { forced: false, demoted: false, lastSyncAt: undefined, base: undefined };
  return { id, peer, peerVolume, role, ...fresh, sending: false };
}

function otherEnd({ array, world }: ArraySession, { link }: Linked): Linked | undefined {
  if (!world.areConnected(array.name, link.peer)) return undefined;
  const other = world.find(link.peer)?.volumes.get(link.peerVolume);
  return other !== undefined && isLinked(other) ? other : undefined;
}

/** @throws ArrayError PEER_UNREACHABLE */
function reachable(session: ArraySession, volume: Linked): Linked {
  const other = otherEnd(session, volume);
  if (other === undefined) throw unreachable(volume.link.peer);
  return other;
}

/** An orderly change of roles: the other side has let go, and all it had is here. */
async function takeOver(volume: Linked, other: Linked | undefined): Promise<void> {
  // It let go itself, and nobody has taken over.
  if (volume.link.demoted && other?.link.role !== 'primary') return;
  if (other === undefined || !other.link.demoted) {
    const message = `${volume.link.peer} has not let go of volume ${volume.name}`;
    throw new ArrayError('DEMOTION_NOT_PROPAGATED', message);
  }
  await send(other, volume);
  other.link.demoted = false;
}

/** Sends what has changed since the last point, and shows it when all of it is there. */
async function send(from: Linked, to: Linked): Promise<void> {
  if (from.link.sending) throw new ArrayError('TRANSFER_ACTIVE', 'a point is being sent already');
  const now = Date.now();
  const [point] = PagedDisk.share([from.disk], false);
  const [next] = PagedDisk.share([to.disk], true);
  if (point === undefined || next === undefined) return;
  from.link.sending = true;
  try {
    if (next.size < point.size) next.grow(point.size);
    const pages = pagesOf(point.size);
    for (let index = 0; index < pages; index += 1) {
      if (!point.sharesPage(from.link.base, index)) next.copyPage(index, point.pageBytes(index));
      if (index % COPY_PAGES_AT_ONCE === 0) await nextTurn();
    }
    next.makeHoles(pages, Math.max(0, pagesOf(next.size) - pages));
    next.shrink(point.size);
    to.disk.becomeLike(next);
    forgetBase(from);
    forgetBase(to);
    from.link.base = point;
    from.link.lastSyncAt = now;
    to.link.lastSyncAt = now;
  } finally {
    from.link.sending = false;
    next.clear();
    if (from.link.base !== point) point.clear();
  }
}

/** Without it the next point is sent whole. */
function forgetBase({ link }: Linked): void {
  link.base?.clear();
  link.base = undefined;
}

function forget(volume: Linked): void {
  forgetBase(volume);
  (volume as StoredVolume).link = undefined;
}

function checkNobodyWrites({ array }: ArraySession, volume: Linked): void {
  const writers = array.sessions.of(volume.id).filter(({ write }) => write);
  if (writers.length === 0) return;
  throw new ArrayError('IN_USE', `volume ${volume.name} is open for writing`, {
    refs: writers.map(({ initiator }) => initiator),
  });
}

function show(session: ArraySession, volume: Linked): ArrayLink {
  const { link } = volume;
  const state = stateOf(link, otherEnd(session, volume)?.link);
  return {
    ref: { kind: 'link', nativeId: link.id, name: `${volume.name}-${link.peer}` },
    volume: volumeRef(volume),
    role: link.role,
    state,
    description: `${link.role} of ${volume.name}, ${state}`,
    lastSyncAt: link.lastSyncAt,
  };
}

function stateOf(own: StoredLink, other: StoredLink | undefined): ReplicationState {
  if (other === undefined) return own.forced ? 'failed-over' : 'unknown';
  if (own.role === 'primary' && other.role === 'primary') return 'split-brain';
  if (own.role === 'secondary' && other.role === 'secondary') return 'demoted';
  if (own.sending || other.sending)
    return own.lastSyncAt === undefined ? 'initializing' : 'syncing';
  if (own.lastSyncAt === undefined) return 'initializing';
  return own.forced ? 'failed-over' : 'idle-consistent';
}

function unreachable(peer: string): ArrayError {
  return new ArrayError('PEER_UNREACHABLE', `array ${peer} cannot be reached`);
}

function split(volume: Linked): ArrayError {
  return volume.link.role === 'primary'
    ? new ArrayError('SPLIT_BRAIN', `both sides of volume ${volume.name} are primaries`)
    : new ArrayError('RELATIONSHIP_BROKEN', `no side of volume ${volume.name} is the primary`);
}
