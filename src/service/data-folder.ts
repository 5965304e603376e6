import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Fault } from '../errors/index.ts';

/**
 * The folder that holds everything:
 *
 *   catalog.sqlite   records            lock.sqlite   held while a service runs on the folder
 *   admin.token      bearer token       server.json   where the running service listens
 *   repository/      volumes            layers/       manifest and boot files of each layer
 *   uploads/         what is only on its way; emptied at every start
 *   hooks/           programs that hooks may name; whoever has a right on this machine puts them there
 */
export interface DataFolder {
  readonly path: string;
  readonly catalog: string;
  readonly repository: string;
  readonly layers: string;
  readonly uploads: string;
  readonly hooks: string;
  /** Lets another service have the folder. */
  unlock(): void;
}

/**
 * Makes what is missing and takes the folder for this process.
 * @throws Fault PERMISSION_DENIED, IN_USE (another service runs on it), NO_SPACE, INVALID_INPUT
 *   (its catalog is gone)
 */
export function openDataFolder(given: string): DataFolder {
  const path = resolve(given);
  const folder = {
    path,
    catalog: join(path, 'catalog.sqlite'),
    repository: join(path, 'repository'),
    layers: join(path, 'layers'),
    uploads: join(path, 'uploads'),
    hooks: join(path, 'hooks'),
  };
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    mkdirSync(folder.repository, { recursive: true, mode: 0o700 });
    mkdirSync(folder.layers, { recursive: true, mode: 0o700 });
    mkdirSync(folder.hooks, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw folderFault(path, cause);
  }
  const unlock = lock(path);
  try {
    refuseWithoutCatalog(folder);
    emptyUploads(folder.uploads);
  } catch (error) {
    unlock();
    throw error;
  }
  return { ...folder, unlock };
}

/** What a crash has left on its way is of no use to anybody. @throws Fault PERMISSION_DENIED, NO_SPACE */
function emptyUploads(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path, { mode: 0o700 });
  } catch (cause) {
    throw folderFault(path, cause);
  }
}

/**
 * A start removes what the catalog does not know: half imports, overlays of machines that are gone. With
 * a new, empty catalog beside a full repository that would be everything.
 */
function refuseWithoutCatalog(folder: Omit<DataFolder, 'unlock'>): void {
  if (existsSync(folder.catalog)) return;
  const found = [...readdirSync(folder.repository), ...readdirSync(folder.layers)];
  if (found.length === 0) return;
  throw new Fault(
    'INVALID_INPUT',
    `data: ${folder.path} holds ${found.length} volumes and layers, but catalog.sqlite, which says whose they are, is gone; put it back, or move repository/ and layers/ away to begin anew`,
    { field: 'data', value: folder.path, expected: 'a folder with its catalog, or an empty one' },
  );
}

/**
 * Node has no flock, SQLite has: an exclusive transaction is a lock that dies with the process,
 * whatever way it dies.
 */
function lock(path: string): () => void {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(join(path, 'lock.sqlite'), { timeout: 0 });
    database.exec('BEGIN EXCLUSIVE');
    const held = database;
    return () => held.close();
  } catch (cause) {
    database?.close();
    if (!/locked/.test((cause as Error).message)) throw folderFault(path, cause);
    throw new Fault(
      'IN_USE',
      `data: another Rootcast service runs on ${path}; stop it or choose another folder with --data`,
      { field: 'data', value: path, expected: 'a folder no other service uses' },
      { cause },
    );
  }
}

function folderFault(path: string, cause: unknown): Fault {
  const { code, message } = cause as NodeJS.ErrnoException;
  const kind =
    code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
      ? 'PERMISSION_DENIED'
      : code === 'ENOSPC'
        ? 'NO_SPACE'
        : 'INVALID_INPUT';
  return new Fault(
    kind,
    `data: cannot use the folder ${path}: ${message}`,
    { field: 'data', value: path, expected: 'a folder this user may write to (--data DIR)' },
    { cause },
  );
}

/** Replaces a small file so that a crash leaves the old or the new one. */
export function replaceFile(path: string, text: string, mode: number): void {
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true }); // what a crash left may have another mode or owner
  const file = openSync(fresh, 'wx', mode);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(fresh, path);
}

/** The bearer token of the API: given, or made at the first start and kept in DIR/admin.token. */
export function adminToken(folder: DataFolder, given: string | undefined): string {
  // The CLI trims what it reads too; a header could not carry the line end of an environment file.
  if (given !== undefined && given.trim() !== '') return given.trim();
  const path = join(folder.path, 'admin.token');
  try {
    const kept = readFileSync(path, 'utf8').trim();
    if (kept !== '') return kept;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') {
      throw new Fault(
        code === 'EACCES' ? 'PERMISSION_DENIED' : 'INVALID_INPUT',
        `data: cannot read the token of the API: ${message}`,
        {
          field: 'data',
          value: path,
          expected: 'a file that this user may read, or ROOTCAST_TOKEN, or none: one is made then',
        },
        { cause: error },
      );
    }
  }
  const token = randomBytes(32).toString('base64url');
  replaceFile(path, `${token}\n`, 0o600);
  return token;
}
