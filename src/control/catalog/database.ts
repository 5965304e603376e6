import { chmodSync, closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { Fault } from '../../errors/index.ts';
import { migrate } from './migrations.ts';

/** Primary result codes, https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const SQLITE_NOMEM = 7;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

/**
 * Opens the catalog's database and brings it to the newest schema.
 *
 * WAL with synchronous=FULL: an acknowledged change survives the death of the host. The lock is
 * exclusive, so that a second service on the same data folder is refused instead of making two
 * owners of the same overlays.
 * @throws Fault IN_USE, UNAVAILABLE, PERMISSION_DENIED, NO_SPACE
 */
export function openDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    if (path !== ':memory:') keepToOwner(path);
    database = new DatabaseSync(path, { enableForeignKeyConstraints: true });
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec('BEGIN IMMEDIATE; COMMIT'); // takes the lock now, not at the first change
    migrate(database);
    return database;
  } catch (error) {
    database?.close();
    throw databaseFault(error, path);
  }
}

/**
 * It holds secrets of repositories: nobody else may read it, whatever the umask. SQLite gives its journals the
 * same mode (https://www.sqlite.org/tempfiles.html).
 */
function keepToOwner(path: string): void {
  try {
    closeSync(openSync(path, 'a', 0o600));
  } catch {
    return; // SQLite cannot either, and says why
  }
  try {
    chmodSync(path, 0o600); // one from before
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Fault(
      'PERMISSION_DENIED',
      `cannot keep ${path} from other users: ${why}`,
      { field: 'catalog', value: path, expected: 'a file that this user owns' },
      { cause: error },
    );
  }
}

/** What SQLite reported, as a fault; errors that are not SQLite's pass through unchanged. */
export function databaseFault(error: unknown, path = 'the catalog'): unknown {
  if (error instanceof Fault || !(error instanceof Error)) return error;
  const { errcode } = error as { errcode?: unknown };
  if (typeof errcode !== 'number') return error;
  const options = { cause: error };
  const details = { field: 'catalog', value: path };
  switch (errcode & 0xff) {
    case SQLITE_BUSY:
      return new Fault('IN_USE', `${path} is open in another Rootcast service`, details, options);
    case SQLITE_FULL:
      return new Fault('NO_SPACE', 'no space left for the catalog', details, options);
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
      return new Fault(
        'PERMISSION_DENIED',
        `cannot open or write ${path}: ${error.message}`,
        details,
        options,
      );
    case SQLITE_NOMEM:
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new Fault('UNAVAILABLE', `${path}: ${error.message}`, details, options);
    default: // a constraint or the SQL itself: a bug of ours, never the user's input
      return new Fault('INTERNAL', `${path}: ${error.message}`, details, options);
  }
}
