import { beforeEach, describe, expect, test } from 'vitest';
import {
  addHook,
  addVolumeGroup,
  cancelTask,
  createSnapshot,
  deleteHook,
  deleteVolume,
  listHooks,
  listSnapshots,
  showHook,
  snapshotVolumeGroup,
  updateHook,
} from '../../../../src/control/index.ts';
import { Fault } from '../../../../src/errors/index.ts';
import { kinds } from '../support/fake-service.ts';
import {
  ended,
  refused,
  result,
  type StorageService,
  storageService,
  withRepository,
  withVolume,
} from '../support/storage-service.ts';

let service: StorageService;
beforeEach(async () => {
  service = storageService();
  await withRepository(service);
  await withVolume(service, 'db');
  await withVolume(service, 'log');
  service.told.length = 0;
});

const create = (name: string, volumes: string[] = ['db']) =>
  createSnapshot(service.control, 'san1', { volumes, name });
const take = async (name: string, volumes?: string[]) => {
  service.clock.advance(1000);
  return result<{ snapshots: { id: string }[] }>(service.control, create(name, volumes));
};
const list = () => listSnapshots(service.control, 'san1', { volume: 'db' }).items;

describe('hooks', () => {
  const add = (name: string, moment: 'before-snapshot' | 'after-snapshot', more: object = {}) =>
    addHook(service.control, { name, moment, volume: 'san1/db', argv: ['x'], ...more });

  test('are called around a snapshot, in order and back, and told of', async () => {
    const { hooks, control } = service;
    addVolumeGroup(control, { name: 'app', volumes: ['san1/db', 'san1/log'] });
    add('b-freeze', 'before-snapshot', { quiesces: true });
    add('b-thaw', 'after-snapshot');
    add('c-group', 'before-snapshot', { volume: undefined, group: 'app' });
    add('z-array', 'before-snapshot', { volume: undefined, repository: 'san1' });
    add('z-array-after', 'after-snapshot', { volume: undefined, repository: 'san1' });
    add('off', 'before-snapshot', { enabled: false });
    const task = snapshotVolumeGroup(control, 'app', { name: 'one' });
    const taken = await result<{ snapshots: object[]; hooks: object[] }>(control, task);
    expect(hooks.told()).toEqual([
      'before-snapshot z-array',
      'before-snapshot c-group',
      'before-snapshot b-freeze',
      'after-snapshot b-thaw',
      'after-snapshot z-array-after',
    ]);
    expect(taken.hooks).toHaveLength(5);
    expect(taken.hooks[0]).toMatchObject({
      hook: 'z-array',
      succeeded: true,
      output: 'z-array ran',
    });
    const consistency = Object.fromEntries(
      (taken.snapshots as { volume: string; consistency: string }[]).map((snapshot) => [
        snapshot.volume,
        snapshot.consistency,
      ]),
    );
    expect(consistency).toEqual({ db: 'application', log: 'crash' });
    expect(hooks.calls[0]?.facts).toMatchObject({
      ROOTCAST_REPOSITORIES: 'san1',
      ROOTCAST_VOLUMES: expect.stringMatching(/^san1\/(db san1\/log|log san1\/db)$/),
      ROOTCAST_GROUP: 'app',
      ROOTCAST_SNAPSHOT: 'one',
      ROOTCAST_SERVER_NAME: 'rack-1',
    });
    expect(hooks.calls[0]?.facts).not.toHaveProperty('ROOTCAST_OUTCOME');
    expect(hooks.calls[4]?.facts).toMatchObject({ ROOTCAST_OUTCOME: 'succeeded' });
    expect(kinds(service).filter((kind) => kind === 'hook.succeeded')).toHaveLength(5);
  });

  test('one before that fails and aborts: no snapshot, and what came before is undone', async () => {
    const { hooks, control, storage } = service;
    add('a-freeze', 'before-snapshot');
    add('b-check', 'before-snapshot');
    add('c-never', 'before-snapshot');
    add('thaw', 'after-snapshot');
    hooks.ends.set('b-check', { succeeded: false, how: 'exit code 3', output: 'no' });
    expect(await ended(control, create('one'))).toMatchObject({
      state: 'failed',
      error: {
        code: 'HOOK_FAILED',
        field: 'hook.name',
        value: 'b-check',
        message: expect.stringContaining('exit code 3'),
      },
    });
    expect(hooks.told()).toEqual([
      'before-snapshot a-freeze',
      'before-snapshot b-check',
      'after-snapshot thaw',
    ]);
    expect(hooks.calls.at(-1)?.facts).toMatchObject({ ROOTCAST_OUTCOME: 'failed' });
    expect(storage.calls).not.toContain('snapshot');
    expect(list()).toEqual([]);
    expect(service.told).toContainEqual(
      expect.objectContaining({ kind: 'hook.failed', subject: 'volume/san1/db' }),
    );
  });

  test('one that fails and continues: a snapshot that is only crash-consistent', async () => {
    const { hooks } = service;
    add('freeze', 'before-snapshot', { quiesces: true, policy: 'continue' });
    hooks.ends.set('freeze', { succeeded: false, how: 'exit code 1' });
    expect(await take('one')).toMatchObject({
      snapshots: [{ consistency: 'crash' }],
      hooks: [{ hook: 'freeze', succeeded: false }],
    });
  });

  test('what comes after is called when the snapshot fails, and when it is cancelled', async () => {
    const { hooks, control, storage } = service;
    add('freeze', 'before-snapshot');
    add('thaw', 'after-snapshot');
    storage.failing.set('snapshot', new Fault('NO_SPACE', 'full'));
    expect(await ended(control, create('one'))).toMatchObject({ error: { code: 'NO_SPACE' } });
    expect(hooks.told()).toEqual(['before-snapshot freeze', 'after-snapshot thaw']);
    storage.failing.clear();
    hooks.calls.length = 0;
    const task = create('two');
    hooks.during.set('freeze', () => void cancelTask(control, task.id));
    expect(await ended(control, task)).toMatchObject({ state: 'cancelled' });
    expect(hooks.told()).toEqual(['before-snapshot freeze', 'after-snapshot thaw']);
    expect(list()).toEqual([]);
  });

  test('one after that fails and aborts fails the task; the snapshot is there', async () => {
    const { hooks, control } = service;
    add('thaw', 'after-snapshot');
    add('also', 'after-snapshot');
    hooks.ends.set('thaw', { succeeded: false, how: 'HTTP 500' });
    expect(await ended(control, create('one'))).toMatchObject({
      state: 'failed',
      error: { code: 'HOOK_FAILED', message: expect.stringContaining('is done') },
    });
    expect(hooks.told()).toHaveLength(2);
    expect(list()).toMatchObject([{ name: 'one' }]);
  });

  test('two snapshots of one volume do not mix their hooks', async () => {
    const { hooks, control } = service;
    add('freeze', 'before-snapshot');
    add('thaw', 'after-snapshot');
    await Promise.all(['one', 'two'].map((name) => result(control, create(name))));
    expect(hooks.told().map((told) => told.split(' ')[1])).toEqual([
      'freeze',
      'thaw',
      'freeze',
      'thaw',
    ]);
  });

  test('are added, changed, deleted, and go with their owner', async () => {
    const { control, hooks } = service;
    add('call', 'after-snapshot', { argv: undefined, url: 'https://a.test/x', token: 'sesame' });
    expect(showHook(control, 'call')).toMatchObject({
      volume: 'san1/db',
      url: 'https://a.test/x',
      tokenSet: true,
      timeout: '30s',
      policy: 'abort',
    });
    await take('one');
    expect(hooks.calls.at(-1)).toMatchObject({ token: 'sesame', timeoutMs: 30_000 });
    const update = (input: object) => updateHook(control, 'call', input);
    expect(update({ timeout: '2m', policy: 'continue' })).toMatchObject({ timeout: '2m' });
    expect(update({ url: 'https://b.test/' })).toMatchObject({ tokenSet: false });
    expect(update({ token: 'sesame' })).toMatchObject({ tokenSet: true });
    expect(update({ token: null })).toMatchObject({ tokenSet: false });
    update({ token: 'sesame', name: 'ring' });
    const { id } = showHook(control, 'ring');
    await result(control, deleteVolume(control, 'san1', 'db'));
    expect(listHooks(control)).toEqual([]);
    expect(control.catalog.secrets.of(id)).toEqual({});
    add('other', 'after-snapshot', { volume: 'san1/log' });
    deleteHook(control, 'other');
    expect(() => showHook(control, 'other')).toThrow(refused('NOT_FOUND', 'hook.name'));
  });

  test.each([
    ['no owner', { volume: undefined }, 'hook.repository'],
    ['two owners', { repository: 'san1' }, 'hook.repository'],
    ['neither a program nor a URL', { argv: undefined }, 'hook.argv'],
    ['both', { url: 'https://a.test' }, 'hook.argv'],
    ['a URL that is none', { argv: undefined, url: 'https://' }, 'hook.url'],
    ['a URL with a user', { argv: undefined, url: 'https://me:pw@a.test' }, 'hook.url'],
    ['a token for a program', { token: 'x' }, 'hook.token'],
    ['a time that is none', { timeout: 'soon' }, 'hook.timeout'],
    ['a time beyond all measure', { timeout: '2h' }, 'hook.timeout'],
    ['one that quiesces too late', { quiesces: true }, 'hook.quiesces'],
  ])('%s is refused', (_what, more, field) => {
    expect(() => add('h', 'after-snapshot', more)).toThrow(refused('INVALID_INPUT', field));
    expect(listHooks(service.control)).toEqual([]);
  });
});
