import { ArrayError } from '../../errors/index.ts';
import { checkArrayName, pageAfter, type SnapshotControl } from '../../repositories/index.ts';
import type { ArraySession } from './array-session.ts';
import { SNAPSHOTS_PER_VOLUME } from './limits.ts';
import { findByTag } from './look-up.ts';
import type { StoredSnapshot, StoredVolume } from './simulated-array.ts';

interface WantedSnapshot {
  readonly volume: StoredVolume;
  readonly tag: string;
  readonly name: string;
}

export function simulatedSnapshots(session: ArraySession): SnapshotControl {
  const { array } = session;
  const core: Omit<SnapshotControl, 'revert' | 'diff'> = {
    createSnapshots: ({ of }, options) =>
      session.change('createSnapshots', options, () => {
        if (of.length > 1) session.need('groupSnapshot', 'snapshots of several volumes');
        for (const { name } of of) checkArrayName(name, session.info.limits);
        const there = of.map(({ tag, volume }) => {
          const found = findByTag(array.snapshots.values(), tag);
          if (found === undefined || found.volume.id === volume.nativeId) return found;
          const message = `snapshot ${found.name} of another volume has this tag`;
          throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message);
        });
        // Of a group all were made, or none.
        const made = there.filter((each) => each !== undefined);
        if (made.length === of.length) return made.map((each) => session.showSnapshot(each));
        if (made.length > 0) {
          const message = 'some of these snapshots are there, of another moment';
          throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message, {
            refs: made.map(({ name }) => name),
          });
        }
        const wanted = of.map((each) => ({ ...each, volume: session.volume(each.volume) }));
        for (const each of wanted) checkRoom(session, each);
        return array.addSnapshots(wanted, Date.now()).map((each) => session.showSnapshot(each));
      }),

    deleteSnapshot: ({ ref }, options) =>
      session.change('deleteSnapshot', options, () => {
        const snapshot = array.snapshots.get(ref.nativeId);
        if (snapshot === undefined) return;
        const readers = array.sessions.of(snapshot.id).map(({ initiator }) => initiator);
        const mapped = array.mappingsOf(snapshot.id).map(({ host }) => host.name);
        if (readers.length + mapped.length > 0) {
          throw new ArrayError('IN_USE', `snapshot ${snapshot.name} is in use`, {
            refs: [...new Set([...readers, ...mapped])],
          });
        }
        const clones = array.clonesOf(snapshot.id);
        if (clones.length > 0 && !session.can('promoteDependents')) {
          throw new ArrayError('HAS_DEPENDENTS', `snapshot ${snapshot.name} has clones`, {
            refs: clones.map(({ name }) => name),
          });
        }
        for (const clone of clones) clone.parent = undefined;
        array.removeSnapshot(snapshot.id);
      }),

    findSnapshot: (by) =>
      session.ask('findSnapshot', () => {
        const { snapshots } = array;
        const found =
          'tag' in by ? findByTag(snapshots.values(), by.tag) : snapshots.get(by.ref.nativeId);
        return found === undefined ? undefined : session.showSnapshot(found);
      }),

    listSnapshots: ({ volume, cursor }) =>
      session.ask('listSnapshots', () => {
        const all =
          volume === undefined ? [...array.snapshots.values()] : array.snapshotsOf(volume.nativeId);
        const page = pageAfter(all, ({ id }) => id, cursor, session.settings.pageItems);
        return { ...page, items: page.items.map((each) => session.showSnapshot(each)) };
      }),
  };
  return {
    ...core,
    ...(session.can('revert') ? { revert: revertOf(session) } : {}),
    ...(session.can('changedBlocks') ? { diff: diffOf(session), diffsVolumes: true } : {}),
  };
}

function checkRoom(session: ArraySession, { volume, name }: WantedSnapshot): void {
  const siblings = session.array.snapshotsOf(volume.id);
  if (siblings.length >= SNAPSHOTS_PER_VOLUME) {
    const message = `a volume of this array has ${SNAPSHOTS_PER_VOLUME} snapshots at most`;
    throw new ArrayError('LIMIT_REACHED', message);
  }
  if (siblings.some((each) => each.name === name)) {
    const message = `volume ${volume.name} has another snapshot ${name}`;
    throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message);
  }
}

function revertOf(session: ArraySession): NonNullable<SnapshotControl['revert']> {
  const { array } = session;
  return ({ opId, volume: volumeRef, snapshot: snapshotRef }, options) =>
    session.change('revert', options, () => {
      const volume = session.volume(volumeRef);
      const snapshot = session.snapshot(snapshotRef);
      if (volume.lastRevert === opId) return session.showVolume(volume);
      if (snapshot.volume.id !== volume.id) {
        const message = `snapshot ${snapshot.name} is not one of volume ${volume.name}`;
        throw new ArrayError('INVALID_ARGUMENT', message, { field: 'snapshot' });
      }
      const users = array.sessions.of(volume.id).map(({ initiator }) => initiator);
      if (users.length > 0) {
        throw new ArrayError('IN_USE', `volume ${volume.name} is open`, { refs: users });
      }
      const newer = array.snapshotsOf(volume.id).filter(({ order }) => order > snapshot.order);
      if (newer.length > 0 && !session.can('revertKeepsNewer')) {
        const message = `volume ${volume.name} has newer snapshots`;
        throw new ArrayError('NEWER_SNAPSHOTS', message, { refs: newer.map(({ name }) => name) });
      }
      volume.disk.becomeLike(snapshot.disk);
      volume.lastRevert = opId;
      return session.showVolume(volume);
    });
}

function diffOf(session: ArraySession): NonNullable<SnapshotControl['diff']> {
  const { array } = session;
  return ({ from, to, offset, length, limit }) =>
    session.ask('diff', () => {
      const side = (ref: typeof to): StoredVolume | StoredSnapshot => {
        const found = array.find(ref.nativeId);
        if (found !== undefined) return found;
        throw new ArrayError('NOT_FOUND', `there is no ${ref.kind} ${ref.name}`);
      };
      const before = from === undefined ? undefined : side(from).disk;
      return side(to).disk.differences(before, { offset, length, limit });
    });
}
