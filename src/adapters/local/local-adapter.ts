/** Folders as repositories: finding, marking and attaching them. */
import { randomUUID } from 'node:crypto';
import { open, readdir, realpath, rm, stat, statfs } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { MAXIMUM_DEVICE_BYTES } from '../../block/index.ts';
import { ArrayError } from '../../errors/index.ts';
import {
  type Adapter,
  type AdapterParts,
  type ArrayInfo,
  type Connection,
  capabilities,
  checkNotCancelled,
  type ProbeAnswer,
  type SettingField,
} from '../../repositories/index.ts';
import { allocate } from './allocate.ts';
import { onFiles } from './array-errors.ts';
import { AttachedFolder, identityOf } from './attached-folder.ts';
import { ignoreMissing, removeUnfinished, UNFINISHED } from './durable-files.ts';
import { type Marker, readMarker, writeMarker } from './folder-marker.ts';
import { FolderStore } from './folder-store.ts';
import { OTHER_WRITERS_WAIT_MS, SECTOR_BYTES } from './limits.ts';
import { LocalArray } from './local-array.ts';
import { LocalArrayData } from './local-array-data.ts';
import { untilNobodyWrites } from './other-writers.ts';
import { canReflink } from './reflink.ts';
import { LOCAL_ADAPTER, VOLUME_ENDING } from './volume-path.ts';

/** As of a volume: VOLUME_ID_LENGTH of the repositories leaves room for the endings of files. */
const NAME_LENGTH = 200;

const SETTINGS: readonly SettingField[] = [
  {
    name: 'path',
    type: 'text',
    required: true,
    secret: false,
    description: 'Folder of this server in which the volumes are files, with its whole path.',
  },
];

export const localAdapter: Adapter = {
  kind: LOCAL_ADAPTER,
  description:
    'A folder of this server: sparse files, snapshots where the file system shares blocks.',
  settings: SETTINGS,
  probe: (connection) => probe(connection),
  attach: (connection, parts, options) =>
    onFiles('cannot attach the folder', async () => {
      checkNotCancelled(options.signal);
      const path = pathOf(connection);
      const folder = await folderAt(path);
      if (options.create === true) await refuseOwn(folder, parts);
      const writer = await untilNobodyWrites(folder, OTHER_WRITERS_WAIT_MS);
      if (writer !== undefined) {
        const message = `process ${writer.pid} (${writer.program}) writes to files in ${folder}`;
        throw new ArrayError('IN_USE', message, { refs: [`${writer.program} (${writer.pid})`] });
      }
      const marker = await markerOf(folder, connection, options);
      await removeUnfinished(folder);
      const store = new FolderStore(folder);
      for (const file of await store.removeLeftovers()) {
        parts.log.warn(
          { folder, file },
          'a volume or snapshot was described, and its file is not there',
        );
      }
      const info = await infoOf(folder);
      return new LocalArray(new AttachedFolder(store, info, marker, await identityOf(folder)));
    }),
  openData: (connection, parts) => new LocalArrayData(connection, parts),
};

/** @throws ArrayError INVALID_ARGUMENT */
function pathOf({ settings }: Pick<Connection, 'settings'>): string {
  const { path } = settings;
  if (typeof path === 'string' && path.startsWith('/') && !path.includes('\0')) return path;
  throw new ArrayError('INVALID_ARGUMENT', 'a local repository needs the path of a folder', {
    field: 'path',
    value: path,
    expected: 'a path that begins with /',
  });
}

/**
 * Without symbolic links. One that is not there is not made: it would be on the disk below, where nothing is mounted.
 * @throws ArrayError NOT_FOUND
 */
async function folderAt(path: string): Promise<string> {
  const folder = await realpath(path).catch(ignoreMissing);
  if (folder !== undefined && (await stat(folder)).isDirectory()) return folder;
  throw new ArrayError('NOT_FOUND', `there is no folder ${path}`, {
    field: 'path',
    value: path,
    expected: 'a folder that is there: mounted, and made',
  });
}

/**
 * Who may make repositories and see what lies in them would read the token and the catalog there, and change what
 * hooks run.
 * @throws ArrayError INVALID_ARGUMENT
 */
async function refuseOwn(folder: string, { ownFolder }: AdapterParts): Promise<void> {
  if (ownFolder === undefined) return;
  const own = await realpath(ownFolder);
  if (!`${folder}${sep}`.startsWith(`${own}${sep}`)) return;
  throw new ArrayError('INVALID_ARGUMENT', `${folder} is in the data folder of the service`, {
    field: 'path',
    value: folder,
    expected: 'a folder outside of the data folder',
  });
}

function probe(connection: Pick<Connection, 'settings'>): Promise<ProbeAnswer> {
  return onFiles('cannot look at the folder', async () => {
    if (connection.settings['path'] === undefined) {
      return { step: 'address', choose: 'path', found: [] };
    }
    const path = await folderAt(pathOf(connection));
    const { bsize, blocks, bavail } = await statfs(path);
    const marker = await readMarker(path);
    const free = Math.floor((bavail * bsize) / 1024 ** 2);
    const found = {
      value: path,
      description: `${path}, ${free} MiB free`,
      settings: { path },
      size: blocks * bsize,
    };
    const holds = marker === undefined ? {} : { holds: { repositoryId: marker.repositoryId } };
    return { step: 'ready', choose: undefined, found: [{ ...found, ...holds }] };
  });
}

/** @throws ArrayError NOT_FOUND, ALREADY_MANAGED, EXCLUSIVE_ATTACHED */
async function markerOf(
  folder: string,
  { repositoryId, initiatorName: server }: Connection,
  options: { readonly create?: boolean; readonly takeOver?: boolean },
): Promise<Marker> {
  const there = await readMarker(folder);
  if (there === undefined) {
    if (options.create !== true) {
      throw new ArrayError('NOT_FOUND', `${folder} does not hold the repository: is it mounted?`);
    }
    // Other files may become volumes; these would be the layers of a service that keeps them here.
    const volumes = (await readdir(folder)).filter((name) => name.endsWith(VOLUME_ENDING));
    if (volumes.length > 0) {
      throw new ArrayError('ALREADY_MANAGED', `${folder} holds volumes already`, { refs: volumes });
    }
    const marker = { repositoryId, server, epoch: 1 };
    await writeMarker(folder, marker, { isFirst: true });
    return marker;
  }
  if (there.repositoryId !== repositoryId) {
    throw new ArrayError('ALREADY_MANAGED', `${folder} holds another repository`, {
      refs: [there.repositoryId],
    });
  }
  if (there.server === server) return there;
  if (options.takeOver !== true) {
    throw new ArrayError('EXCLUSIVE_ATTACHED', `${folder} is attached by another server`, {
      refs: [there.server],
    });
  }
  const marker = { repositoryId, server, epoch: there.epoch + 1 };
  await writeMarker(folder, marker, { isFirst: false });
  return marker;
}

async function infoOf(folder: string): Promise<ArrayInfo> {
  const unused = (): string => UNFINISHED + randomUUID();
  const shares = (await canReflink(folder, [unused(), unused()])) ? 'yes' : 'no';
  const { type } = await statfs(folder);
  return Object.freeze({
    vendor: 'Rootcast',
    product: 'Folder',
    version: '1',
    serial: `${folder} (file system type 0x${type.toString(16)})`,
    capabilities: capabilities({
      discover: 'yes',
      adopt: 'yes',
      thin: 'yes',
      thick: (await canAllocate(join(folder, unused()))) ? 'yes' : 'no',
      resizeOnline: 'yes',
      resizeOffline: 'yes',
      snapshot: shares,
      revert: shares,
      revertKeepsNewer: shares,
      cloneLinked: shares,
      cloneFull: shares,
      cloneFromVolume: shares,
      split: shares,
      promoteDependents: shares,
      immutableId: 'yes',
    }),
    limits: Object.freeze({
      sizeGranularity: SECTOR_BYTES,
      sizeMinimum: SECTOR_BYTES,
      sizeMaximum: MAXIMUM_DEVICE_BYTES,
      nameLength: NAME_LENGTH,
    }),
  });
}

/** Found out by trying, as `canReflink`. */
async function canAllocate(path: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx', 0o600);
    await handle.close();
    return await allocate(path, SECTOR_BYTES);
  } finally {
    await rm(path, { force: true });
  }
}
