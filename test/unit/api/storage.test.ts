/** Storage over HTTP: every route once, the contract of its answers, and that no secret ever leaves. */
import { Ajv, type AnySchemaObject } from 'ajv';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildApi } from '../../../src/api/index.ts';
import { observeSchedules, RepositoryObserver } from '../../../src/control/index.ts';
import { Fault } from '../../../src/errors/index.ts';
import {
  type StorageService,
  storageService,
  withRepository,
  withVolume,
} from '../control/support/storage-service.ts';
import { isStoragePath } from './storage-paths.ts';
import { strict } from './strict-schema.ts';

const TOKEN = 'storage-token';

let service: StorageService;
let app: FastifyInstance;
/** Everything that was answered and logged. */
let seen: string[];

beforeEach(async () => {
  service = storageService();
  seen = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void seen.push(line) });
  app = buildApi({ control: service.control, token: TOKEN, logger });
});
afterEach(() => app.close());

type Method = NonNullable<InjectOptions['method']>;

async function call(method: Method, url: string, payload?: unknown) {
  const response = await app.inject({
    method,
    url: `/v1${url}`,
    headers: { authorization: `Bearer ${TOKEN}` },
    ...(payload === undefined ? {} : { payload: payload as object }),
  });
  seen.push(JSON.stringify(response.headers), response.body);
  const body: Record<string, unknown> = response.body === '' ? {} : response.json();
  return { status: response.statusCode, headers: response.headers, body };
}

/** Starts a task over HTTP, and waits for its end. */
async function task(method: Method, url: string, payload?: unknown) {
  const { status, headers, body } = await call(method, url, payload);
  expect({ status, body }).toMatchObject({ status: 202 });
  expect(headers['location']).toBe(`/v1/tasks/${String(body['id'])}`);
  await service.control.tasks.settled(String(body['id']));
  return (await call('GET', `/tasks/${String(body['id'])}`)).body;
}

describe('every route', () => {
  test('answers as its schema says', async () => {
    const documented = (await call('GET', '/openapi.json')).body as AnySchemaObject;
    const ajv = new Ajv({ strict: false, allowUnionTypes: true });
    ajv.addFormat('date-time', true);
    const operations = Object.entries(documented['paths'] as Record<string, object>).flatMap(
      ([path, methods]) =>
        Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );
    const tried = new Set<string>();
    const check = async (method: Method, url: string, payload?: unknown, ends = true) => {
      const answer = await call(method, url, payload);
      const path = `/v1${url.split('?')[0]}`;
      const fits = (template: string) =>
        new RegExp(`^${template.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`).test(path);
      const found = operations
        .filter((one) => one.method.toUpperCase() === method && fits(one.path))
        .sort((a, b) => a.path.split('{').length - b.path.split('{').length)[0];
      const operation = found?.operation as Record<string, Record<string, AnySchemaObject>>;
      expect(found, `${method} ${path} is documented`).toBeDefined();
      tried.add(String(operation['operationId']));
      const schema = operation['responses']?.[answer.status] as AnySchemaObject | undefined;
      expect({ url, answer, schema }).toMatchObject({ schema: expect.anything() });
      const json = schema?.['content']?.['application/json']?.['schema'];
      if (answer.status !== 204) {
        expect({
          url,
          errors: ajv.validate(strict(json) as AnySchemaObject, answer.body) ? null : ajv.errors,
        }).toEqual({
          url,
          errors: null,
        });
      }
      const id = String(answer.body['id']);
      if (answer.status === 202 && ends) {
        await service.control.tasks.settled(id);
        const { body } = await call('GET', `/tasks/${id}`);
        expect({ url, state: body['state'], error: body['error'] }).toMatchObject({
          state: 'succeeded',
        });
      }
      return answer;
    };
    service.storage.foreign = [{ nativeId: 'lun-9', name: 'old', size: 4096, wwid: undefined }];
    service.storage.changes = [{ offset: 0, length: 4096, kind: 'data' }];
    await check('GET', '/repository-kinds');
    const settings = { target: '192.0.2.7' };
    await check('POST', '/repository-kinds/probe', { kind: 'iscsi', settings });
    await check('POST', '/repositories', { name: 'r', kind: 'iscsi', settings });
    await check('GET', '/repositories');
    await check('PATCH', '/repositories/r', { description: 'x' });
    await check('GET', '/repositories/r');
    await check('GET', '/repositories/r/health');
    await check('POST', '/repositories/r/refresh');
    await check('POST', '/repositories/r/detach', {});
    await check('POST', '/repositories/r/check', { repair: true });
    await check('POST', '/repository-kinds/check', { kind: 'iscsi', settings });
    await check('POST', '/repositories/r/attach', {});
    const r = '/repositories/r';
    await check('POST', `${r}/volumes`, { name: 'v', size: '1G' });
    await check('GET', `${r}/volumes?limit=1`);
    await check('GET', `${r}/volumes/v`);
    await check('PATCH', `${r}/volumes/v`, { description: 'x' });
    await check('POST', `${r}/volumes/v/resize`, { size: '2G' });
    await check('GET', `${r}/foreign-volumes`);
    await check('POST', `${r}/adopted-volumes`, { nativeId: 'lun-9', name: 'old' });
    await check('POST', `${r}/snapshots`, { volumes: ['v'], name: 's' });
    await check('GET', `${r}/snapshots?volume=v&limit=1`);
    await check('GET', `${r}/snapshots/v@s`);
    await check('PATCH', `${r}/snapshots/v%40s`, { held: false });
    await check('GET', `${r}/snapshots/v@s/diff?limit=1`);
    await check('POST', `${r}/snapshots/v@s/clone`, { name: 'c' });
    await check('POST', `${r}/volumes/v/clone`, { name: 'd' });
    await check('POST', `${r}/volumes/c/split`);
    await check('POST', `${r}/volumes/v/revert`, { snapshot: 's' });
    await check('POST', '/hosts', { name: 'h', iqns: ['iqn.2026-01.com.example:h'] });
    await check('GET', '/hosts');
    await check('GET', '/hosts/h');
    await check('PATCH', '/hosts/h', { description: 'x' });
    await check('POST', `${r}/volumes/v/mappings`, { host: 'h' });
    await check('GET', `${r}/volumes/v/mappings`);
    await check('DELETE', `${r}/volumes/v/mappings/h?force=true`);
    await check('DELETE', `${r}/volumes/v/mappings`);
    await check('POST', '/hosts/h/fence', { repository: 'r' });
    await check('GET', `${r}/fences`);
    await check('POST', '/hosts/h/unfence', { repository: 'r' });
    await check('POST', '/volume-groups', { name: 'g', volumes: ['r/v', 'r/c'] });
    await check('GET', '/volume-groups');
    await check('GET', '/volume-groups/g');
    await check('PATCH', '/volume-groups/g', { volumes: ['r/v'] });
    await check('POST', '/volume-groups/g/snapshots', { name: 'gs' });
    await check('POST', '/snapshot-schedules', { name: 'hourly', group: 'g', every: '1h' });
    await check('GET', '/snapshot-schedules');
    await check('GET', '/snapshot-schedules/hourly');
    await check('PATCH', '/snapshot-schedules/hourly', { keep: { last: 3 } });
    await check('POST', '/snapshot-schedules/hourly/run');
    await check('DELETE', '/snapshot-schedules/hourly');
    await check('DELETE', '/volume-groups/g');
    const hook = { name: 'k', volume: 'r/v', moment: 'before-snapshot', argv: ['x'] };
    await check('POST', '/hooks', hook);
    await check('GET', '/hooks');
    await check('GET', '/hooks/k');
    await check('PATCH', '/hooks/k', { timeout: '1m' });
    await check('DELETE', '/hooks/k');
    await check('DELETE', `${r}/snapshots/v@s`);
    await check('DELETE', `${r}/volumes/v`);
    await check('DELETE', '/hosts/h');
    await check('POST', '/repositories', { name: 'empty', kind: 'iscsi', settings });
    await check('DELETE', '/repositories/empty');
    await check('POST', '/vdisks', { name: 'd', path: '/disk.raw' });
    await check('POST', '/vdisks/d/replicas', { repository: 'r' }, false);
    await check('GET', '/vdisks/d/replicas');
    await check('DELETE', '/vdisks/d/replicas/r');
    await check('POST', '/repositories/r/detach', {});
    await check('POST', '/repositories/r/forget');
    const ours = operations
      .filter(({ path }) => isStoragePath(path))
      .map(({ operation }) => (operation as { operationId: string }).operationId);
    expect(ours.length).toBeGreaterThan(40);
    expect(ours.filter((id) => !tried.has(id))).toEqual([]);
  });
});

describe('bad input', () => {
  beforeEach(async () => {
    await withRepository(service);
    await withVolume(service, 'db');
  });
  const hook = { name: 'h', volume: 'san1/db', moment: 'before-snapshot', argv: ['x'] };

  test.each([
    ['/repositories', { name: 'a' }, 'kind'],
    ['/repositories', { name: 'A', kind: 'iscsi' }, 'name'],
    ['/repositories', { name: 'a', kind: 'iscsi', mode: 'steal' }, 'mode'],
    ['/repositories', { name: 'a', kind: 'iscsi', warningPercent: 0 }, 'warningPercent'],
    ['/repositories', { name: 'a', kind: 'iscsi', colour: 1 }, 'colour'],
    ['/repositories/san1/volumes', { name: 'a' }, 'size'],
    ['/repositories/san1/volumes', { name: 'a', size: true }, 'size'],
    ['/repositories/san1/volumes', { name: 'a', size: 1, thin: 'yes' }, 'thin'],
    ['/repositories/san1/volumes/db/resize', {}, 'size'],
    ['/repositories/san1/volumes/db/clone', { name: 'a', kind: 'deep' }, 'kind'],
    ['/repositories/san1/snapshots', { name: 'a', volumes: [] }, 'volumes'],
    ['/repositories/san1/snapshots', { name: 'a', volumes: ['db', 'db'] }, 'volumes'],
    ['/hosts', { name: 'a', iqns: ['IQN.x'] }, 'iqns.0'],
    ['/volume-groups', { name: 'a', volumes: [] }, 'volumes'],
    [
      '/snapshot-schedules',
      { name: 'a', volumes: ['san1/db'], keep: { yearly: 1 } },
      'keep.yearly',
    ],
    ['/snapshot-schedules', { name: 'a', volumes: ['san1/db'], prefix: 'A' }, 'prefix'],
    ['/hooks', { ...hook, moment: 'at-noon' }, 'moment'],
    ['/hooks', { ...hook, argv: [] }, 'argv'],
    ['/hooks', { ...hook, argv: ['a\u0000b'] }, 'argv.0'],
    ['/hooks', { ...hook, argv: undefined, url: 'file:///etc/passwd' }, 'url'],
    ['/repositories/san1/volumes/db/mappings', { host: 'h', chap: { user: 'u' } }, 'chap.password'],
  ])('POST %s %j names its field', async (url, payload, field) => {
    const { status, body } = await call('POST', url, payload);
    expect({ status, body }).toMatchObject({
      status: 400,
      body: { code: 'INVALID_INPUT', field, expected: expect.any(String) },
    });
  });

  test.each([
    '/repositories/no',
    '/repositories/no/volumes',
    '/repositories/san1/volumes/no',
    '/repositories/san1/snapshots/db@no',
    '/hosts/no',
    '/volume-groups/no',
    '/snapshot-schedules/no',
    '/hooks/no',
  ])('GET %s is not found, and says where to look', async (url) => {
    const { status, body } = await call('GET', url);
    expect({ status, body }).toMatchObject({
      status: 404,
      body: {
        code: 'NOT_FOUND',
        value: expect.stringContaining('no'),
        expected: expect.any(String),
      },
    });
  });

  test('storage that cannot, or does not answer, says so', async () => {
    service.storage.failing.set('mappings', new Fault('UNSUPPORTED', 'it masks nothing'));
    const url = '/repositories/san1/volumes/db/mappings';
    expect(await call('GET', url)).toMatchObject({ status: 422, body: { code: 'UNSUPPORTED' } });
    service.storage.failing.set('mappings', new Fault('UNREACHABLE', 'no route'));
    expect(await call('GET', url)).toMatchObject({ status: 503, body: { code: 'UNREACHABLE' } });
  });
});

describe('a secret', () => {
  const SECRET = 'Zx9-correct-horse-battery-Zx9';

  test('never appears: not in answers, events, tasks, the log or the documentation', async () => {
    const { storage, hooks, clock } = service;
    const settings = { target: '192.0.2.7' };
    const target = { kind: 'iscsi', settings, secrets: { chappassword: SECRET } };
    const leak = new Fault(
      'PERMISSION_DENIED',
      `CHAP ${SECRET} refused`,
      { value: SECRET },
      {
        cause: new Error(SECRET),
      },
    );

    // Where it belongs, and the storage repeats it.
    storage.failing.set('probe', leak);
    expect((await call('POST', '/repository-kinds/probe', target)).status).toBe(403);
    storage.failing.set('probe', new Error(`a bug that prints ${SECRET}`));
    expect((await call('POST', '/repository-kinds/probe', target)).status).toBe(500);
    storage.failing.set('attach', leak);
    expect(await task('POST', '/repositories', { ...target, name: 'r' })).toMatchObject({
      state: 'failed',
      error: { message: 'CHAP *** refused' },
    });
    storage.failing.clear();
    expect(await task('POST', '/repositories', { ...target, name: 'r' })).toMatchObject({
      result: { secretsSet: ['chappassword'] },
    });
    await task('POST', '/repositories/r/volumes', { name: 'v', size: '1G' });
    storage.attached.clear();
    storage.failing.set('attach', leak);
    const observer = new RepositoryObserver(service.control);
    observer.observe(clock.now());
    await observer.settled();
    storage.failing.clear();
    await call('POST', '/repositories/r/detach', {});
    await call('PATCH', '/repositories/r', { secrets: { chappassword: SECRET } });
    await task('POST', '/repositories/r/attach', {});

    // In a mapping, and in a hook.
    await call('POST', '/hosts', { name: 'h', iqns: ['iqn.2026-01.com.example:h'] });
    const chap = { user: 'u', password: SECRET, mutual: { user: 'm', password: SECRET } };
    storage.failing.set('map', leak);
    const mappings = '/repositories/r/volumes/v/mappings';
    expect((await call('POST', mappings, { host: 'h', chap })).status).toBe(403);
    storage.failing.clear();
    expect((await call('POST', mappings, { host: 'h', chap })).status).toBe(201);
    const hook = { name: 'k', volume: 'r/v', moment: 'before-snapshot', url: 'https://a.test/' };
    expect((await call('POST', '/hooks', { ...hook, token: SECRET })).status).toBe(201);
    await call('PATCH', '/hooks/k', { token: SECRET, policy: 'continue' });
    hooks.ends.set('k', { succeeded: false, how: `401 ${SECRET}`, output: `you sent ${SECRET}` });
    await task('POST', '/repositories/r/snapshots', { volumes: ['v'], name: 's' });
    await call('POST', '/snapshot-schedules', { name: 'x', volumes: ['r/v'], every: '1h' });
    clock.advance(3_600_000);
    observeSchedules(service.control, clock.now());

    // Where it does not belong: the refusal does not say it again.
    const misplaced: readonly [Method, string, unknown][] = [
      ['POST', '/repositories', { ...target, name: 'b', settings: { chappassword: SECRET } }],
      ['POST', '/repositories', { ...target, name: 'b', settings: { ...settings, typo: SECRET } }],
      ['POST', '/repositories', { ...target, name: 'b', settings: { target: [[SECRET]] } }],
      ['POST', '/repositories', { ...target, name: 'b', secrets: { typo: SECRET } }],
      ['POST', '/repositories', { ...target, name: 'b', secrets: { chappassword: [SECRET] } }],
      ['POST', '/repositories', { ...target, name: 'b', secrets: SECRET }],
      [
        'POST',
        '/repositories',
        { ...target, name: 'b', secrets: { chappassword: SECRET.repeat(999) } },
      ],
      ['POST', '/repositories', [SECRET]],
      ['PATCH', '/repositories/r', { secrets: { chappassword: { is: SECRET } } }],
      ['PATCH', '/repositories/r', { secrets: { chappassword: SECRET } }], // it is attached
      ['POST', mappings, { host: 'no', chap }],
      ['POST', mappings, { host: 'h', chap: { user: 'u', password: [SECRET] } }],
      ['POST', mappings, { host: 'h', chap: SECRET }],
      ['POST', mappings, { host: 'h', chap: { user: 'u', password: 'short', mutual: SECRET } }],
      ['POST', '/hooks', { ...hook, name: 'l', token: `${SECRET} with a space` }],
      ['POST', '/hooks', { ...hook, name: 'l', url: undefined, argv: ['x'], token: SECRET }],
      ['POST', '/hooks', { ...hook, name: 'l', url: `https://u:${SECRET}@a.test/` }],
      ['PATCH', '/hooks/k', { token: [SECRET] }],
    ];
    for (const [method, url, payload] of misplaced) {
      const { status } = await call(method, url, payload);
      expect({ url, payload, isRefused: status >= 400 && status < 500 }).toMatchObject({
        isRefused: true,
      });
    }

    for (const url of [
      '/repositories',
      '/repositories/r',
      '/repositories/r/volumes/v',
      mappings,
      '/hooks',
      '/hooks/k',
      '/tasks',
      '/events?limit=1000',
      '/openapi.json',
    ]) {
      expect((await call('GET', url)).status).toBe(200);
    }
    // It did arrive where it is needed …
    expect(JSON.stringify(storage.attaches)).toContain(SECRET);
    expect(JSON.stringify(storage.mapRequests)).toContain(SECRET);
    expect(hooks.calls[0]?.token).toBe(SECRET);
    // … and nowhere else.
    expect(seen.length).toBeGreaterThan(60);
    expect(seen.filter((text) => text.includes(SECRET))).toEqual([]);
    expect(JSON.stringify(service.told)).not.toContain(SECRET);
  });
});
