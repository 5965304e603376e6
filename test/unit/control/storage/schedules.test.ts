import { beforeEach, describe, expect, test } from 'vitest';
import {
  addHook,
  addSnapshotSchedule,
  addVolumeGroup,
  cloneSnapshot,
  closeControl,
  createSnapshot,
  deleteSnapshotSchedule,
  deleteVolumeGroup,
  listSnapshots,
  listTasks,
  observeSchedules,
  recoverControl,
  runSnapshotSchedule,
  showSnapshotSchedule,
  updateSnapshot,
  updateSnapshotSchedule,
} from '../../../../src/control/index.ts';
import { MAX_RUNNING_TASKS } from '../../../../src/control/limits.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { fakeService, kinds } from '../support/fake-service.ts';
import {
  ended,
  refused,
  result,
  type StorageService,
  storageService,
  withRepository,
  withVolume,
} from '../support/storage-service.ts';

const HOUR = 3_600_000;

let service: StorageService;
beforeEach(async () => {
  service = storageService(); // it is 2026-01-02T03:04:05Z, a Friday
  await withRepository(service);
  await withVolume(service, 'db');
  await withVolume(service, 'log');
});

const add = (input: object = {}) =>
  addSnapshotSchedule(service.control, {
    name: 'hourly',
    volumes: ['san1/db'],
    every: '1h',
    ...input,
  });
const show = () => showSnapshotSchedule(service.control, 'hourly');
const names = (volume = 'db') =>
  listSnapshots(service.control, 'san1', { volume }).items.map(({ name }) => name);
const running = () => listTasks(service.control).filter(({ state }) => state === 'running');

/** The ticker, and what it has begun. */
async function tick(ms: number): Promise<void> {
  service.clock.advance(ms);
  observeSchedules(service.control, service.clock.now());
  for (const { id } of running()) await service.control.tasks.settled(id);
}

describe('a schedule', () => {
  test('takes snapshots when it is due, named after the time, and says when the next one is', async () => {
    expect(add()).toMatchObject({
      every: '1h',
      at: null,
      prefix: 'hourly',
      nextAt: '2026-01-02T04:04:05.000Z',
      lastAt: null,
      running: false,
    });
    await tick(HOUR - 1);
    expect(names()).toEqual([]);
    await tick(1);
    expect(names()).toEqual(['hourly-20260102t040405z']);
    expect(show()).toMatchObject({
      lastAt: '2026-01-02T04:04:05.000Z',
      nextAt: '2026-01-02T05:04:05.000Z',
    });
    await tick(1000);
    expect(names()).toHaveLength(1);
    const [snapshot] = listSnapshots(service.control, 'san1').items;
    expect(snapshot?.schedule).toBe('hourly');
    expect(listTasks(service.control).at(0)).toMatchObject({
      kind: 'snapshot-schedule.run',
      actor: 'service',
      result: { taken: ['san1/db@hourly-20260102t040405z'], deleted: [], kept: [] },
    });
  });

  test('makes up once for what it missed', async () => {
    add();
    await tick(5 * HOUR + 60_000);
    expect(names()).toEqual(['hourly-20260102t080505z']);
    expect(show().nextAt).toBe('2026-01-02T09:04:05.000Z');
  });

  test('is due at times as cron has them', async () => {
    add({ every: undefined, at: '30 3 * * mon-fri', prefix: 'night' });
    expect(show()).toMatchObject({ at: '30 3 * * mon-fri', nextAt: '2026-01-02T03:30:00.000Z' });
    await tick(HOUR);
    expect(names()).toEqual(['night-20260102t040405z']);
    expect(show().nextAt).toBe('2026-01-05T03:30:00.000Z');
  });

  test('never overtakes itself', async () => {
    const { control, storage, clock } = service;
    add();
    let go = (): void => undefined;
    storage.waits.set('snapshot', () => new Promise((resolve) => (go = resolve)));
    clock.advance(HOUR);
    observeSchedules(control, clock.now());
    await expect.poll(() => storage.calls.at(-1)).toBe('snapshot');
    clock.advance(3 * HOUR);
    observeSchedules(control, clock.now());
    expect(running()).toHaveLength(1);
    expect(show().running).toBe(true);
    expect(() => runSnapshotSchedule(control, 'hourly')).toThrow(refused('IN_USE'));
    expect(() => deleteSnapshotSchedule(control, 'hourly')).toThrow(refused('IN_USE'));
    storage.waits.clear();
    go();
    await tick(0);
    await tick(0);
    expect(names()).toHaveLength(2);
  });

  test('a run that the end of the service cut short is made up for', async () => {
    const { control, storage, clock } = service;
    add();
    storage.waits.set('snapshot', () => new Promise(() => undefined));
    clock.advance(HOUR);
    observeSchedules(control, clock.now());
    await expect.poll(() => storage.calls.at(-1)).toBe('snapshot');
    // As after kill -9: another process with the same catalog, in which nobody works on the task.
    storage.waits.clear();
    let ids = 0;
    const next = fakeService({
      ...{ catalog: control.catalog, storage, clock },
      newId: () => `next-${++ids}`,
    });
    await recoverControl(next.control);
    observeSchedules(next.control, clock.now());
    for (const { id } of listTasks(next.control)) await next.control.tasks.settled(id);
    expect(names()).toEqual(['hourly-20260102t040405z']);
    expect(show()).toMatchObject({ nextAt: '2026-01-02T05:04:05.000Z' });
    observeSchedules(next.control, clock.now());
    expect(listTasks(next.control).filter(({ state }) => state === 'running')).toEqual([]);
  });

  test('a stop of the service leaves the run to be made up for', async () => {
    const { control, storage, clock } = service;
    add();
    storage.waits.set('snapshot', async () => {
      await closing;
    });
    let closed = (): void => undefined;
    const closing = new Promise<void>((resolve) => (closed = resolve));
    clock.advance(HOUR);
    observeSchedules(control, clock.now());
    await expect.poll(() => storage.calls.at(-1)).toBe('snapshot');
    const end = closeControl(control);
    closed();
    await end;
    expect(names()).toEqual([]);
    expect(control.catalog.schedules.due(clock.now())).toMatchObject([{ isRunning: true }]);
    observeSchedules(control, clock.now()); // stopping: it stays due
  });

  test('stays due while too much is running', async () => {
    const { control, clock, storage } = service;
    add();
    storage.waits.set('snapshot', () => new Promise(() => undefined));
    for (let number = 0; number < MAX_RUNNING_TASKS; number++) {
      createSnapshot(control, 'san1', { volumes: ['log'], name: `s${number}` });
    }
    clock.advance(HOUR);
    observeSchedules(control, clock.now());
    expect(show()).toMatchObject({ nextAt: '2026-01-02T04:04:05.000Z', running: false });
  });

  test('of volumes: each for itself, and one that fails keeps no other from it', async () => {
    const { control, hooks } = service;
    add({ volumes: ['san1/db', 'san1/log'] });
    addHook(control, { name: 'h', volume: 'san1/db', moment: 'before-snapshot', argv: ['x'] });
    hooks.ends.set('h', { succeeded: false, how: 'exit code 1' });
    await tick(HOUR);
    expect([names('db').length, names('log').length]).toEqual([0, 1]);
    expect(listTasks(control).at(0)).toMatchObject({
      state: 'failed',
      error: { code: 'HOOK_FAILED', value: ['san1/db'] },
    });
    expect(kinds(service)).toContain('task.failed');
    hooks.ends.clear();
    await tick(HOUR);
    expect([names('db').length, names('log').length]).toEqual([1, 2]);
  });

  test('of a group: of one moment, also when the group changes', async () => {
    const { control, storage } = service;
    addVolumeGroup(control, { name: 'app', volumes: ['san1/db', 'san1/log'] });
    add({ volumes: undefined, group: 'app' });
    expect(show()).toMatchObject({ group: 'app', volumes: ['san1/db', 'san1/log'] });
    expect(() => deleteVolumeGroup(control, 'app')).toThrow(refused('IN_USE'));
    await tick(HOUR);
    expect(storage.calls.filter((call) => call === 'snapshot')).toHaveLength(1);
    expect([names('db').length, names('log').length]).toEqual([1, 1]);
  });

  test('deletes what has had its time: only what it took itself, and nobody holds', async () => {
    const { control } = service;
    add({ keep: { last: 2 } });
    const own = { volumes: ['db'], name: 'by-hand' };
    await result(control, createSnapshot(control, 'san1', own));
    for (let hour = 0; hour < 2; hour++) await tick(HOUR);
    const [, first = ''] = names();
    updateSnapshot(control, 'san1', `db@${first}`, { held: true });
    for (let hour = 0; hour < 3; hour++) await tick(HOUR);
    expect(names()).toEqual([
      'by-hand',
      first,
      'hourly-20260102t070405z',
      'hourly-20260102t080405z',
    ]);
    expect(listTasks(control).at(0)).toMatchObject({
      result: { deleted: ['san1/db@hourly-20260102t060405z'], kept: [] },
    });
  });

  test('what cannot be deleted now is told, and tried again', async () => {
    const { control, storage } = service;
    add({ keep: { last: 1 } });
    await tick(HOUR);
    const [first = ''] = names();
    await result(control, cloneSnapshot(control, 'san1', `db@${first}`, { name: 'clone' }));
    storage.failing.set('deleteSnapshot', new Fault('IN_USE', 'child'));
    await tick(HOUR);
    expect(listTasks(control).at(0)).toMatchObject({
      state: 'succeeded',
      result: {
        kept: [{ snapshot: `san1/db@${first}`, reason: expect.stringContaining('san1/clone') }],
      },
    });
    storage.failing.clear();
    await tick(HOUR);
    expect(names()).toHaveLength(1);
  });

  test('is run by hand, beside its own times', async () => {
    add();
    const task = runSnapshotSchedule(service.control, 'hourly');
    expect(await ended(service.control, task)).toMatchObject({ state: 'succeeded' });
    expect(names()).toHaveLength(1);
    expect(show().nextAt).toBe('2026-01-02T04:04:05.000Z');
  });

  test('is changed, stopped, started anew and deleted; what it took stays', async () => {
    const { control, clock } = service;
    add({ keep: { last: 3, daily: 0 } });
    expect(show().keep).toEqual({ last: 3 });
    const update = (input: object) => updateSnapshotSchedule(control, 'hourly', input);
    expect(update({ enabled: false })).toMatchObject({ enabled: false, nextAt: null });
    await tick(3 * HOUR);
    expect(names()).toEqual([]);
    expect(update({ enabled: true }).nextAt).toBe('2026-01-02T07:04:05.000Z');
    expect(update({ volumes: ['san1/log'], at: '0 * * * *', prefix: 'x' })).toMatchObject({
      every: null,
      volumes: ['san1/log'],
      nextAt: '2026-01-02T07:00:00.000Z',
    });
    addVolumeGroup(control, { name: 'app', volumes: ['san1/db'] });
    expect(update({ group: 'app' })).toMatchObject({ group: 'app', volumes: ['san1/db'] });
    expect(update({ volumes: ['san1/db'] })).toMatchObject({ group: null });
    update({ name: 'other' });
    clock.advance(HOUR);
    await tick(0);
    deleteSnapshotSchedule(control, 'other');
    expect(names()).toHaveLength(1);
    expect(listSnapshots(control, 'san1').items).toMatchObject([{ schedule: null }]);
  });

  test.each([
    ['neither every nor at', { every: undefined }, 'INVALID_INPUT', 'snapshotSchedule.every'],
    ['both', { at: '0 * * * *' }, 'INVALID_INPUT', 'snapshotSchedule.every'],
    ['an interval that is none', { every: 'often' }, 'INVALID_INPUT', 'snapshotSchedule.every'],
    ['one that is too short', { every: '1s' }, 'INVALID_INPUT', 'snapshotSchedule.every'],
    [
      'a time that is none',
      { every: undefined, at: 'noon' },
      'INVALID_INPUT',
      'snapshotSchedule.at',
    ],
    [
      'neither volumes nor a group',
      { volumes: undefined },
      'INVALID_INPUT',
      'snapshotSchedule.volumes',
    ],
    ['both of them', { group: 'app' }, 'INVALID_INPUT', 'snapshotSchedule.volumes'],
    [
      'a group that is none',
      { volumes: undefined, group: 'no' },
      'NOT_FOUND',
      'snapshotSchedule.group',
    ],
    ['a volume that is none', { volumes: ['san1/no'] }, 'NOT_FOUND', 'snapshotSchedule.volumes'],
  ])('refuses %s', (_what, input, code, field) => {
    expect(() => add(input)).toThrow(refused(code, field));
    expect(() => show()).toThrow(refused('NOT_FOUND'));
  });
});
