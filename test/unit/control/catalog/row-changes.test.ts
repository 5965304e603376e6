import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Catalog } from '../../../../src/control/catalog/catalog.ts';
import { INHERITS_ALL } from '../../../../src/control/catalog/machine-settings.ts';
import { migrate } from '../../../../src/control/catalog/migrations.ts';
import type { MachineRow } from '../../../../src/control/catalog/records.ts';
import type { RowChange } from '../../../../src/control/index.ts';
import { HOST, LAYER, REPOSITORY, SNAPSHOT, TASK, VDISK, VERSION, VOLUME } from './rows.ts';

const MACHINE: MachineRow = {
  ...{ id: 'm', name: 'pc-1', mac: '52:54:00:00:00:01', collectionId: undefined },
  ...{ own: { ...INHERITS_ALL, vdiskId: 'v' }, pinnedVersion: undefined, maintains: undefined },
  ...{ kernelArguments: '', enrolment: 'added', createdAt: 1 },
};

let database: DatabaseSync;
let catalog: Catalog;
let told: string[][];

beforeEach(() => {
  database = new DatabaseSync(':memory:', { enableForeignKeyConstraints: true });
  migrate(database);
  catalog = new Catalog(database);
  told = [];
  catalog.transaction(() => {
    catalog.repositories.insert(REPOSITORY);
    catalog.volumes.insert(VOLUME);
    catalog.snapshots.insert(SNAPSHOT);
    catalog.volumes.update({ ...VOLUME, headSnapshotId: SNAPSHOT.id });
    catalog.vdisks.insert(VDISK);
    catalog.layers.insert(LAYER);
    catalog.versions.insert(VERSION);
    catalog.machines.insert(MACHINE);
    catalog.hosts.insert(HOST);
    catalog.tasks.save(TASK);
    catalog.tasks.save({ ...TASK, id: 'done', state: 'succeeded' });
    catalog.xenObjects.put({ class: 'VDI', id: 'x', fields: {} });
  });
});
afterEach(() => catalog.close());

const told1 = (changes: readonly RowChange[]) =>
  void told.push(changes.map(({ table, id }) => `${table} ${id}`).sort());
const listen = () => catalog.onRowsChanged(told1);
const putObject = (id: string) => catalog.xenObjects.put({ class: 'VDI', id, fields: { a: 1 } });
const triggers = () =>
  database.prepare("SELECT name FROM sqlite_temp_master WHERE type = 'trigger'").all().length;

const CHANGES: readonly [what: string, change: () => void, expected: readonly string[]][] = [
  [
    'a new repository',
    () => catalog.repositories.insert({ ...REPOSITORY, id: 'r2', name: 'r2' }),
    ['repositories r2'],
  ],
  ['a repository', () => catalog.repositories.update(REPOSITORY), ['repositories r']],
  ['a new volume', () => catalog.volumes.insert({ ...VOLUME, id: 'b', name: 'b' }), ['volumes b']],
  ['a volume', () => catalog.volumes.update(VOLUME), ['volumes vol']],
  ['moved heads', () => catalog.volumes.moveHead('snap', undefined), ['volumes vol']],
  [
    'a new snapshot',
    () => catalog.snapshots.insert({ ...SNAPSHOT, id: 's2', name: 's2' }),
    ['snapshots s2'],
  ],
  ['a snapshot', () => catalog.snapshots.update(SNAPSHOT), ['snapshots snap']],
  ['a new vDisk', () => catalog.vdisks.insert({ ...VDISK, id: 'w', name: 'w' }), ['vdisks w']],
  ['a vDisk', () => catalog.vdisks.update({ ...VDISK, name: 'other' }), ['vdisks v']],
  ['the next number', () => void catalog.vdisks.nextVersion('v'), ['vdisks v']],
  [
    'a new version',
    () => catalog.versions.insert({ ...VERSION, id: 'v2', number: 2 }),
    ['versions v2'],
  ],
  ['a version', () => catalog.versions.update(VERSION), ['versions v1']],
  [
    'a new machine',
    () => catalog.machines.insert({ ...MACHINE, id: 'n', name: 'n', mac: '52:54:00:00:00:02' }),
    ['machines n'],
  ],
  ['a machine', () => catalog.machines.update(MACHINE), ['machines m']],
  ['what a machine maintains', () => catalog.machines.setMaintains('m', 'v1'), ['machines m']],
  ['a deleted machine', () => catalog.machines.delete('m'), ['machines m']],
  ['a new task', () => catalog.tasks.save({ ...TASK, id: 't2' }), ['tasks t2']],
  ['a task', () => catalog.tasks.save({ ...TASK, percent: 9 }), ['tasks t']],
  ['tasks that are pruned', () => catalog.tasks.prune(0), ['tasks done']],
  ['a new host', () => catalog.hosts.insert({ ...HOST, id: 'h2', name: 'h2' }), ['hosts h2']],
  ['a host', () => catalog.hosts.update(HOST), ['hosts h']],
  ['a deleted host', () => catalog.hosts.delete('h'), ['hosts h']],
  ['a new XenAPI object', () => putObject('y/z'), ['xen_objects VDI/y/z']],
  ['a XenAPI object', () => putObject('x'), ['xen_objects VDI/x']],
  ['a deleted one', () => catalog.xenObjects.delete('VDI', 'x'), ['xen_objects VDI/x']],
  // What refers to it is changed, or goes, by foreign keys.
  [
    'a deleted snapshot',
    () => catalog.snapshots.delete(SNAPSHOT),
    ['snapshots snap', 'volumes vol'],
  ],
  ['a deleted volume', () => catalog.volumes.delete('vol'), ['snapshots snap', 'volumes vol']],
  [
    'a tracked volume',
    () =>
      catalog.trackedDisks.save({
        ...{ id: 'vol', repositoryId: 'r', volumeId: 'vol', state: 'tracked' },
        ...{ size: 4096, createdAt: 1 },
      }),
    ['tracked_disks vol'],
  ],
  [
    'all volumes of a repository',
    () => catalog.volumes.deleteOfRepository('r'),
    ['snapshots snap', 'volumes vol'],
  ],
];

describe('who listens to changes of rows is told of', () => {
  it.each(CHANGES)('%s, by a statement of its own', async (_what, change, expected) => {
    listen();
    change();
    expect(told).toEqual([]); // it must be able to look, which it cannot in the middle of a statement
    await Promise.resolve();
    expect(told).toEqual([expected]);
  });

  it.each(CHANGES)('%s, in a transaction', async (_what, change, expected) => {
    listen();
    catalog.transaction(() => {
      catalog.transaction(change);
      expect(told).toEqual([]);
    });
    expect(told).toEqual([expected]);
    await Promise.resolve();
    expect(told).toHaveLength(1);
  });

  it('versions that go with their vDisk', () => {
    catalog.transaction(() => catalog.machines.delete('m'));
    listen();
    catalog.transaction(() => catalog.vdisks.delete('v'));
    expect(told).toEqual([['vdisks v', 'versions v1']]);
  });

  it('every row of many, once', () => {
    listen();
    catalog.transaction(() => {
      for (let n = 0; n < 1000; n++) {
        catalog.volumes.insert({ ...VOLUME, id: `n${n}`, name: `n${n}` });
      }
      for (let n = 0; n < 1000; n++) catalog.volumes.delete(`n${n}`);
    });
    expect(told.map((rows) => rows.length)).toEqual([1000]);
  });

  it('a statement that a transaction which is rolled back follows', async () => {
    listen();
    putObject('kept');
    const failed = () =>
      catalog.transaction(() => {
        putObject('lost');
        throw new Error('no');
      });
    expect(failed).toThrow('no');
    await Promise.resolve();
    expect(told.flat()).toContain('xen_objects VDI/kept');
    told = [];
    catalog.transaction(() => putObject('later')); // the triggers are still there
    expect(told).toEqual([['xen_objects VDI/later']]);
  });

  it('what it changes itself', () => {
    let times = 0;
    catalog.onRowsChanged(() => {
      if (times++ < 2) catalog.transaction(() => putObject(`own ${times}`));
    });
    listen();
    catalog.transaction(() => catalog.hosts.delete('h'));
    expect(told).toEqual([['hosts h'], ['xen_objects VDI/own 1'], ['xen_objects VDI/own 2']]);
  });
});

describe('a listener to changes of rows', () => {
  it('sees what it is told of', () => {
    let seen: string | undefined;
    catalog.onRowsChanged(() => {
      seen = catalog.repositories.byName('other')?.id;
    });
    catalog.transaction(() => catalog.repositories.update({ ...REPOSITORY, name: 'other' }));
    expect(seen).toBe('r');
  });

  it('that fails harms neither the change nor who is told next', async () => {
    catalog.onRowsChanged(() => {
      throw new Error('a listener of no use');
    });
    listen();
    catalog.transaction(() => catalog.hosts.delete('h'));
    expect(catalog.hosts.byName('web7')).toBeUndefined();
    catalog.hosts.insert(HOST);
    await Promise.resolve();
    expect(told).toEqual([['hosts h'], ['hosts h']]);
  });

  it('costs triggers only while it listens', async () => {
    expect(triggers()).toBe(0);
    const [first, second] = [listen(), listen()];
    expect(triggers()).toBe(33);
    first();
    first();
    catalog.transaction(() => catalog.hosts.update(HOST));
    expect(told).toHaveLength(1);
    second();
    expect(triggers()).toBe(0);
    catalog.hosts.update(HOST);
    await Promise.resolve();
    expect(told).toHaveLength(1);
    listen();
    catalog.transaction(() => catalog.hosts.update(HOST));
    expect(told).toHaveLength(2);
  });

  it('may end in the middle of what it is told', () => {
    const end = catalog.onRowsChanged(() => end());
    listen();
    catalog.transaction(() => catalog.hosts.update(HOST));
    catalog.transaction(() => catalog.hosts.update(HOST));
    expect(told).toHaveLength(2);
  });

  it('is not told any more when the catalog is closed', async () => {
    const end = listen();
    catalog.hosts.update(HOST);
    catalog.close();
    end();
    await Promise.resolve();
    expect(told).toEqual([]);
  });

  it('does not begin in a transaction, which could take its triggers along', () => {
    const begin = () => catalog.transaction(() => listen());
    expect(begin).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });
});
