/**
 * Snapshots by reflink: files that cannot be written. A snapshot depends on nothing: its volume and its
 * siblings may be deleted in any order.
 *
 * Of which moment: reflink.ts. Requests that are longer than one system call may be in it in part, as in a disk that
 * lost its power; who needs a moment between requests pauses the volume above this port.
 *
 * What differs between two of them is not told (`changedBlocks` is no): that would need FIEMAP, an ioctl that Node has
 * not, and extents that were moved would look changed. The layers above compare.
 */
import { randomUUID } from 'node:crypto';
import { chmod } from 'node:fs/promises';
import { ArrayError } from '../../errors/index.ts';
import {
  type ArrayRef,
  type ArraySnapshot,
  checkArrayName,
  pageAfter,
  type SnapshotControl,
} from '../../repositories/index.ts';
import type { AttachedFolder, StoredSnapshot } from './attached-folder.ts';
import { makeFile } from './durable-files.ts';
import { LIST_PAGE_ITEMS } from './limits.ts';
import { checkUnused } from './open-files.ts';
import { reflink } from './reflink.ts';

const SNAPSHOT_ENDING = '.snapshot';

interface WantedSnapshot {
  readonly volume: ArrayRef;
  readonly tag: string;
  readonly name: string;
}

export function localSnapshots(folder: AttachedFolder): SnapshotControl {
  return {
    createSnapshots: async ({ of }, options) => {
      const [wanted] = of;
      if (wanted === undefined) return [];
      if (of.length > 1) folder.need('groupSnapshot', 'snapshots of several volumes');
      const what = `cannot take a snapshot of ${wanted.volume.name}`;
      // Not while it is reverted or deleted, and not twice at the same time.
      const key = wanted.volume.nativeId;
      return await folder.change(what, key, options, async () => [await create(folder, wanted)]);
    },

    deleteSnapshot: ({ ref }, options) =>
      folder.change(`cannot delete snapshot ${ref.name}`, ref.nativeId, options, async () => {
        const all = await folder.store.all('snapshot');
        const snapshot = all.find(({ sidecar }) => sidecar.id === ref.nativeId);
        if (snapshot === undefined) return;
        await checkUnused(folder.path(snapshot.file), `snapshot ${ref.name}`);
        await folder.store.remove(snapshot);
      }),

    findSnapshot: (by) =>
      folder.ask('cannot look for a snapshot', async () => {
        const all = await folder.store.all('snapshot');
        const found = all.find(({ sidecar }) =>
          'tag' in by ? sidecar.tag === by.tag : sidecar.id === by.ref.nativeId,
        );
        return found === undefined ? undefined : await folder.showSnapshot(found);
      }),

    listSnapshots: ({ volume, cursor }) =>
      folder.ask('cannot list snapshots', async () => {
        const all = (await folder.store.all('snapshot'))
          .filter(({ sidecar }) => volume === undefined || sidecar.volume.id === volume.nativeId)
          .sort((one, other) => (one.sidecar.id < other.sidecar.id ? -1 : 1));
        const page = pageAfter(all, ({ sidecar }) => sidecar.id, cursor, LIST_PAGE_ITEMS);
        const items: ArraySnapshot[] = [];
        for (const each of page.items) {
          const shown = await folder.showSnapshot(each);
          if (shown !== undefined) items.push(shown);
        }
        return { ...page, items };
      }),

    revert: ({ volume: volumeRef, snapshot: snapshotRef }, options) =>
      folder.change(`cannot revert ${volumeRef.name}`, volumeRef.nativeId, options, async () => {
        const volume = await folder.volume(volumeRef);
        const snapshot = await folder.snapshot(snapshotRef);
        if (snapshot.sidecar.volume.id !== volume.sidecar.id) {
          const message = `snapshot ${snapshotRef.name} is not one of volume ${volumeRef.name}`;
          throw new ArrayError('INVALID_ARGUMENT', message, { field: 'snapshot' });
        }
        // Who has it open would go on with the old file, and lose what they write.
        await checkUnused(folder.path(volume.file), `volume ${volumeRef.name}`);
        const { file } = volume;
        await makeFile({ folder: folder.folder, file }, true, async (path) => {
          await reflink(folder.path(snapshot.file), path);
          await chmod(path, 0o640);
        });
        const shown = await folder.presentVolume(volume);
        const sidecar = { ...volume.sidecar, size: shown.size };
        if (sidecar.size !== volume.sidecar.size) await folder.store.change(volume, sidecar);
        return shown;
      }),
  };
}

async function create(folder: AttachedFolder, wanted: WantedSnapshot): Promise<ArraySnapshot> {
  const { tag, name } = wanted;
  checkArrayName(name, folder.info.limits);
  const all = await folder.store.all('snapshot');
  const there = all.find(({ sidecar }) => sidecar.tag === tag);
  if (there !== undefined) {
    if (there.sidecar.volume.id === wanted.volume.nativeId) return await present(folder, there);
    const message = `snapshot ${there.sidecar.name} of another volume has this tag`;
    throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message);
  }
  const volume = await folder.volume(wanted.volume);
  const { id: volumeId, name: volumeName } = volume.sidecar;
  if (all.some(({ sidecar }) => sidecar.volume.id === volumeId && sidecar.name === name)) {
    const message = `volume ${volumeName} has another snapshot ${name}`;
    throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message);
  }
  const id = randomUUID();
  const file = id + SNAPSHOT_ENDING;
  const of = { id: volumeId, name: volumeName };
  const sidecar = { kind: 'snapshot', id, name, tag, createdAt: Date.now(), volume: of } as const;
  await folder.store.make(file, sidecar, async (path) => {
    await reflink(folder.path(volume.file), path);
    await chmod(path, 0o440);
  });
  return await present(folder, { file, sidecar });
}

async function present(folder: AttachedFolder, snapshot: StoredSnapshot): Promise<ArraySnapshot> {
  const shown = await folder.showSnapshot(snapshot);
  if (shown !== undefined) return shown;
  throw new ArrayError('NOT_FOUND', `the file of snapshot ${snapshot.sidecar.name} is gone`);
}
