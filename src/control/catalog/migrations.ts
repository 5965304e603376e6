/**
 * The schema of the catalog, as numbered steps that are only ever added. PRAGMA user_version holds
 * the number of the last step taken; it is written in the transaction of the step itself.
 */
import type { DatabaseSync } from 'node:sqlite';
import { Fault } from '../../errors/index.ts';
import { integer } from './row.ts';
import { BOOT_LOADER } from './schema/boot-loader.ts';
import { BOOT_STORMS } from './schema/boot-storms.ts';
import { CHANGED_BLOCKS } from './schema/changed-blocks.ts';
import { DEVICE_CACHES } from './schema/device-caches.ts';
import { HOOK_DEBTS } from './schema/hook-debts.ts';
import { INITIAL } from './schema/initial.ts';
import { LIFECYCLE } from './schema/lifecycle.ts';
import { OVERLAY_PLACES } from './schema/overlay-places.ts';
import { REPLICATION } from './schema/replication.ts';
import { STORAGE } from './schema/storage.ts';
import { UNSETTLED_OBJECTS } from './schema/unsettled-objects.ts';
import { VDISK_REPLICAS } from './schema/vdisk-replicas.ts';
import { VOLUME_NODES } from './schema/volume-nodes.ts';
import { XENAPI } from './schema/xenapi.ts';

export interface Migration {
  readonly number: number;
  readonly sql: string;
  /**
   * It makes tables anew that others refer to: done with foreign keys off, so that dropping the old one
   * does not cascade, and checked before it is kept (https://www.sqlite.org/lang_altertable.html, section 7).
   */
  readonly rebuildsParents?: boolean;
}

export const MIGRATIONS: readonly Migration[] = [
  { number: 1, sql: INITIAL },
  { number: 2, sql: LIFECYCLE, rebuildsParents: true },
  { number: 3, sql: STORAGE },
  { number: 4, sql: VOLUME_NODES },
  { number: 5, sql: REPLICATION },
  { number: 6, sql: VDISK_REPLICAS },
  { number: 7, sql: HOOK_DEBTS },
  { number: 8, sql: OVERLAY_PLACES },
  { number: 9, sql: DEVICE_CACHES },
  { number: 10, sql: BOOT_LOADER },
  { number: 11, sql: BOOT_STORMS },
  { number: 12, sql: XENAPI },
  { number: 13, sql: CHANGED_BLOCKS },
  { number: 14, sql: UNSETTLED_OBJECTS },
];

/**
 * Takes the steps that the database lacks; each is done whole or not at all.
 * @throws Fault UNAVAILABLE when the database was written by a newer program
 */
export function migrate(
  database: DatabaseSync,
  migrations: readonly Migration[] = MIGRATIONS,
): void {
  const newest = migrations.at(-1)?.number ?? 0;
  const current = schemaVersion(database);
  if (current > newest) {
    throw new Fault(
      'UNAVAILABLE',
      `the catalog has schema ${current}, and this Rootcast knows only up to ${newest}: it was written by a newer version; start that one`,
      { field: 'catalog.schema', value: current, expected: `at most ${newest}` },
    );
  }
  for (const migration of migrations) {
    if (migration.number > current) take(database, migration);
  }
}

function take(database: DatabaseSync, { number, sql, rebuildsParents = false }: Migration): void {
  // Without effect inside a transaction, hence around it.
  if (rebuildsParents) database.exec('PRAGMA foreign_keys = OFF');
  try {
    database.exec('BEGIN IMMEDIATE');
    database.exec(sql);
    if (rebuildsParents) refuseDangling(database, number);
    database.exec(`PRAGMA user_version = ${number}`);
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  } finally {
    if (rebuildsParents) database.exec('PRAGMA foreign_keys = ON');
  }
}

function refuseDangling(database: DatabaseSync, number: number): void {
  const dangling = database.prepare('PRAGMA foreign_key_check').all();
  if (dangling.length === 0) return;
  const rows = JSON.stringify(dangling.slice(0, 3));
  throw new Fault('UNAVAILABLE', `the catalog does not fit schema ${number}: ${rows}`, {
    field: 'catalog.schema',
    value: dangling.length,
    expected: 'no row that refers to one that is missing',
  });
}

export function schemaVersion(database: DatabaseSync): number {
  const row = database.prepare('PRAGMA user_version').get();
  return row === undefined ? 0 : integer(row, 'user_version');
}
