import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Catalog } from '../../../src/control/catalog/catalog.ts';
import { openDatabase } from '../../../src/control/catalog/database.ts';
import { INHERITS_ALL } from '../../../src/control/catalog/machine-settings.ts';
import { MIGRATIONS, migrate, schemaVersion } from '../../../src/control/catalog/migrations.ts';
import type { RepositoryRecord } from '../../../src/control/catalog/storage/records.ts';
import { openCatalog } from '../../../src/control/index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootcast-catalog-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const vdisk = {
  id: 'v',
  name: 'debian',
  description: '',
  pinnedVersion: undefined,
  repositoryId: undefined,
  createdAt: 1,
};
const REPOSITORY: RepositoryRecord = {
  ...{ id: 'r', name: 'san1', description: '', kind: 'iscsi', settings: {}, state: 'detached' },
  ...{ reason: undefined, info: undefined, capabilities: undefined, warningPercent: 80 },
  ...{ criticalPercent: 90, spaceLevel: 'normal', createdAt: 1 },
};
const NEWEST = MIGRATIONS.at(-1)?.number ?? 0;
const QUERY = { limit: 9, before: undefined, subject: undefined, byActors: false };

const names = (database: DatabaseSync) =>
  database
    .prepare(
      "SELECT name FROM sqlite_master WHERE type IN ('table', 'index', 'trigger') ORDER BY name",
    )
    .all()
    .map((row) => String(row['name']));

describe('migrations', () => {
  test('are numbered in the order in which they are taken', () => {
    const numbers = MIGRATIONS.map(({ number }) => number);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
  });

  test('bring an empty database to the newest schema, and are taken once', () => {
    const database = new DatabaseSync(':memory:');
    migrate(database);
    expect(schemaVersion(database)).toBe(NEWEST);
    migrate(database);
    expect(schemaVersion(database)).toBe(NEWEST);
    const tables = database.prepare("SELECT sql FROM sqlite_master WHERE type = 'table'").all();
    const ours = tables.map((row) => String(row['sql'])).filter((sql) => !/sqlite_/.test(sql));
    expect(ours.length).toBeGreaterThan(8);
    for (const sql of ours) expect(sql).toMatch(/\) STRICT$/);
  });

  test('keep what schema 1 said: of machines, and of those that enrol themselves', () => {
    const path = join(folder, 'catalog.sqlite');
    const old = new DatabaseSync(path);
    migrate(old, MIGRATIONS.slice(0, 1));
    old.exec(`
      INSERT INTO vdisks VALUES ('v', 'debian', '', 1);
      INSERT INTO versions VALUES
        ('v', 1, 'layer', 'content', 4096, 0, 'raw', 'production', NULL, NULL, '', NULL, 'unknown', '', 1);
      INSERT INTO machines VALUES
        ('a', 'pc-1', '52:54:00:00:00:01', 'v', 'server', NULL, 'quiet', 1, 'added', 1),
        ('b', 'pc-2', '52:54:00:00:00:02', 'v', 'server-persistent', 8192, '', 0, 'automatic', 2);
      INSERT INTO enrolment_template VALUES (1, 'v', 'pc-{n}', 'server-persistent', NULL);
      INSERT INTO events (at, kind, subject, message, data) VALUES (1, 'k', 's', 'm', '{}');`);
    old.close();
    const catalog = openCatalog(path);
    expect(catalog.machines.all()).toMatchObject([
      {
        name: 'pc-1',
        collectionId: undefined,
        own: { vdiskId: 'v', cacheMode: 'server', quotaBytes: null, enabled: true },
        kernelArguments: 'quiet',
        class: 'production',
        quotaBytes: undefined,
      },
      {
        name: 'pc-2',
        own: { cacheMode: 'server-persistent', quotaBytes: 8192, enabled: false },
        onNewVersion: 'keep',
      },
    ]);
    expect(catalog.enrolments.template()).toEqual({
      namePattern: 'pc-{n}',
      collectionId: undefined,
      settings: { ...INHERITS_ALL, vdiskId: 'v', cacheMode: 'server-persistent', quotaBytes: null },
    });
    expect(catalog.events.find(QUERY)).toMatchObject([{ actor: 'service', kind: 'k' }]);
    catalog.close();
  });

  test('keep what schema 2 said, the last without repositories: of vDisks, their layers and what is to be deleted', () => {
    const path = join(folder, 'catalog.sqlite');
    const old = new DatabaseSync(path);
    migrate(old, MIGRATIONS.slice(0, 2));
    old.exec(`
      INSERT INTO vdisks (id, name, description, created_at) VALUES ('v', 'debian', 'mother', 1);
      INSERT INTO machines (id, name, mac, vdisk_id, kernel_arguments, enrolment, created_at)
        VALUES ('a', 'pc-1', '52:54:00:00:00:01', 'v', 'quiet', 'added', 1);
      INSERT INTO events (at, kind, subject, message, data) VALUES (1, 'k', 's', 'm', '{}');
      INSERT INTO tasks (id, kind, subject, actor, state, percent, message, created_at)
        VALUES ('t', 'vdisk.import', 'vdisk/debian', 'api', 'running', 0, 'started', 1);`);
    const tables = names(old);
    old.close();
    const catalog = openCatalog(path);
    expect(catalog.vdisks.all()).toMatchObject([
      { name: 'debian', description: 'mother', repositoryId: undefined },
    ]);
    expect(catalog.machines.all()).toMatchObject([{ name: 'pc-1', own: { vdiskId: 'v' } }]);
    expect(catalog.tasks.running()).toMatchObject([{ id: 't' }]);
    // What is new is empty, and can be used at once.
    expect(catalog.repositories.all()).toEqual([]);
    expect(catalog.hookDebts.all()).toEqual([]);
    expect(catalog.replications.all()).toEqual([]);
    catalog.repositories.insert(REPOSITORY);
    catalog.arrayLeftovers.add('tag', REPOSITORY.id);
    catalog.close();
    const after = new DatabaseSync(path);
    expect(schemaVersion(after)).toBe(NEWEST);
    expect(names(after)).toEqual(expect.arrayContaining([...tables]));
    expect(after.prepare('PRAGMA foreign_key_check').all()).toEqual([]);
    expect(after.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    after.close();
  });

  test.each([3, 4, 5])('keep what schema %i said of repositories and volumes', (number) => {
    const path = join(folder, 'catalog.sqlite');
    const old = new DatabaseSync(path);
    migrate(old, MIGRATIONS.slice(0, number));
    old.exec(`
      INSERT INTO repositories VALUES
        ('r', 'san1', '', 'iscsi', '{"target":"a"}', 'attached', NULL, NULL, NULL, 80, 90, 'normal', 1);
      INSERT INTO secrets VALUES ('r', 'chappassword', 'correct-horse');
      INSERT INTO volumes VALUES
        ('vol', 'r', 'db', '', 4096, 1, NULL, '{"kind":"layers"}', 'volume', NULL, NULL, NULL, 1);
      INSERT INTO volume_snapshots VALUES
        ('snap', 'r', 'vol', 'db', 'monday', '', NULL, NULL, 4096, '{}', 1, 'crash', NULL, 1, 1);`);
    old.close();
    const catalog = openCatalog(path);
    expect(catalog.repositories.all()).toMatchObject([{ name: 'san1', settings: { target: 'a' } }]);
    expect(catalog.secrets.of('r')).toEqual({ chappassword: 'correct-horse' });
    expect(catalog.volumes.byName('r', 'db')).toMatchObject({ id: 'vol', role: 'volume' });
    expect(catalog.snapshots.byName('vol', 'monday')).toMatchObject({ held: true });
    expect(catalog.volumeNodes.hidden()).toEqual([]);
    catalog.close();
  });

  test('a step that fails leaves nothing of itself', () => {
    const database = new DatabaseSync(':memory:');
    const first = { number: 1, sql: 'CREATE TABLE a (x INTEGER) STRICT;' };
    const broken = { number: 2, sql: 'CREATE TABLE b (x INTEGER) STRICT; CREATE TABLE a (x);' };
    expect(() => migrate(database, [first, broken])).toThrow(/already exists/);
    expect(schemaVersion(database)).toBe(1);
    expect(database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'b'").all()).toEqual([]);
    migrate(database, [first, { number: 2, sql: 'CREATE TABLE b (x INTEGER) STRICT;' }]);
    expect(schemaVersion(database)).toBe(2);
  });

  test('a database from the future is refused and left alone', () => {
    const path = join(folder, 'catalog.sqlite');
    openCatalog(path).close();
    const raw = new DatabaseSync(path);
    raw.exec(`PRAGMA user_version = ${NEWEST + 1}`);
    raw.close();
    expect(() => openCatalog(path)).toThrow(
      expect.objectContaining({
        code: 'UNAVAILABLE',
        message: expect.stringContaining('newer version'),
      }),
    );
    const after = new DatabaseSync(path);
    expect(schemaVersion(after)).toBe(NEWEST + 1);
    after.close();
  });
});

describe('the file', () => {
  test('keeps what was written', () => {
    const path = join(folder, 'catalog.sqlite');
    const before = openCatalog(path);
    before.transaction(() => before.vdisks.insert(vdisk));
    before.close();
    const after = openCatalog(path);
    expect(after.vdisks.byName('debian')).toEqual(vdisk);
    after.close();
  });

  test('is its owner’s alone, with its journals, also one from before', () => {
    const path = join(folder, 'catalog.sqlite');
    const modes = () =>
      readdirSync(folder).map((name) => statSync(join(folder, name)).mode & 0o777);
    for (const before of [undefined, 0o644]) {
      if (before !== undefined) chmodSync(path, before);
      const catalog = openCatalog(path);
      catalog.transaction(() => catalog.secrets.save('r', 'password', 'sesame'));
      expect(modes().length).toBeGreaterThan(1);
      expect(new Set(modes())).toEqual(new Set([0o600]));
      catalog.close();
    }
  });

  test('is refused to a second service', () => {
    const path = join(folder, 'catalog.sqlite');
    const first = openCatalog(path);
    expect(() => openCatalog(path)).toThrow(expect.objectContaining({ code: 'IN_USE' }));
    first.close();
    openCatalog(path).close();
  });

  test('that is something else is refused', () => {
    const path = join(folder, 'catalog.sqlite');
    writeFileSync(
      path,
      'this is not a database at all, and long enough to be looked at'.repeat(20),
    );
    expect(() => openCatalog(path)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
  });

  test('in a folder that is not there is refused', () => {
    expect(() => openCatalog(join(folder, 'no', 'catalog.sqlite'))).toThrow(
      expect.objectContaining({ code: 'PERMISSION_DENIED' }),
    );
  });
});

describe('transactions', () => {
  test('keep all or nothing', () => {
    const catalog = openCatalog(':memory:');
    expect(() =>
      catalog.transaction(() => {
        catalog.vdisks.insert(vdisk);
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(catalog.vdisks.all()).toEqual([]);
  });

  test('one inside another is part of it', () => {
    const catalog = openCatalog(':memory:');
    expect(() =>
      catalog.transaction(() => {
        catalog.transaction(() => catalog.vdisks.insert(vdisk));
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(catalog.vdisks.all()).toEqual([]);
  });

  test('a broken constraint is a bug of ours, and foreign keys are constraints', () => {
    const catalog = openCatalog(':memory:');
    const machine = {
      id: 'm',
      name: 'pc-1',
      mac: '52:54:00:00:00:01',
      collectionId: undefined,
      own: { ...INHERITS_ALL, vdiskId: 'nowhere' },
      pinnedVersion: undefined,
      repositoryId: undefined,
      maintains: undefined,
      kernelArguments: '',
      enrolment: 'added',
      createdAt: 1,
    } as const;
    expect(() => catalog.transaction(() => catalog.machines.insert(machine))).toThrow(
      expect.objectContaining({ code: 'INTERNAL', message: expect.stringMatching(/FOREIGN KEY/) }),
    );
  });

  test('a full disk is NO_SPACE, and the catalog goes on', () => {
    const database = openDatabase(join(folder, 'catalog.sqlite'));
    const catalog = new Catalog(database);
    const pages = Number(database.prepare('PRAGMA page_count').get()?.['page_count']);
    database.exec(`PRAGMA max_page_count = ${pages}`); // what a full disk looks like to SQLite
    const event = {
      at: 1,
      actor: 'a',
      kind: 'k',
      subject: 's',
      message: 'x'.repeat(100_000),
      data: {},
    };
    const write = () => catalog.transaction(() => catalog.events.insert(event, 10));
    expect(write).toThrow(expect.objectContaining({ code: 'NO_SPACE' }));
    expect(catalog.events.find(QUERY)).toEqual([]);
    database.exec(`PRAGMA max_page_count = ${pages + 100}`);
    write();
    expect(catalog.events.find(QUERY)).toHaveLength(1);
    catalog.close();
  });
});
