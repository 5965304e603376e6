import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildApi, PROBLEMS } from '../../../src/api/index.ts';
import { ERRNOS, FAULT_CODES, Fault } from '../../../src/errors/index.ts';
import { type FakeService, fakeService, withVdisk } from '../control/support/fake-service.ts';
import { isTriedElsewhere } from './storage-paths.ts';

const TOKEN = 'a-token-of-tests';
const MAC = '52:54:00:12:34:56';

let service: FakeService;
let app: FastifyInstance;
// Building the routes costs more than any test; only the tests that change things get their own.
async function fresh(): Promise<void> {
  service = fakeService();
  await withVdisk(service);
  app = buildApi({ control: service.control, token: TOKEN });
}
beforeAll(fresh);
afterAll(() => app.close());

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Record<string, unknown>;
}

type Method = NonNullable<InjectOptions['method']>;

async function call(method: Method, url: string, payload?: object | string, headers = {}) {
  const response = await app.inject({
    method,
    url,
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    ...(payload === undefined ? {} : { payload }),
  });
  return {
    status: response.statusCode,
    type: String(response.headers['content-type']),
    headers: response.headers,
    body: response.body === '' ? {} : response.json(),
  } satisfies Answer;
}

function expectProblem(answer: Answer, status: number, code: string, field?: string): void {
  expect(answer.type).toBe('application/problem+json; charset=utf-8');
  expect(answer.status).toBe(status);
  expect(answer.body).toMatchObject({
    type: `urn:rootcast:fault:${code}`,
    title: expect.any(String),
    status,
    detail: expect.any(String),
    code,
    requestId: expect.any(String),
    ...(field === undefined ? {} : { field, expected: expect.any(String) }),
  });
}

describe('errors', () => {
  test('docs/ERRORS.md has the same codes and statuses, and the same errnos', () => {
    const page = readFileSync(new URL('../../../docs/ERRORS.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (\d{3}) \|/gm)];
    const documented = Object.fromEntries(rows.map(([, code, status]) => [code, Number(status)]));
    const table = Object.entries(PROBLEMS).map(([code, { status }]) => [code, status]);
    expect(documented).toEqual(Object.fromEntries(table));
    expect(rows.map(([, code]) => code)).toEqual([...FAULT_CODES]);
    const errnos = [...page.matchAll(/^\| `(E[A-Z]+)` \| \D/gm)].map(([, errno]) => errno);
    expect(errnos).toEqual([...ERRNOS]);
  });

  test.each(FAULT_CODES)('%s leaves as its status', async (code) => {
    const details = { field: 'f', value: [1], expected: 'e' };
    service.images.space = () => Promise.reject(new Fault(code, 'what happened', details));
    const answer = await call('GET', '/v1/status');
    expectProblem(answer, PROBLEMS[code].status, code, 'f');
    expect(answer.body).toMatchObject({ value: [1], expected: 'e' });
    const told = code === 'INTERNAL' ? 'see the log of the service' : 'what happened';
    expect(answer.body['detail']).toBe(told);
  });

  test('a bug is INTERNAL and tells nothing of the inside', async () => {
    service.images.space = () => Promise.reject(new TypeError('secret is undefined'));
    const answer = await call('GET', '/v1/status');
    expectProblem(answer, 500, 'INTERNAL');
    expect(JSON.stringify(answer.body)).not.toContain('secret');
  });

  test.each([
    ['GET', '/v1/nothing'],
    ['GET', '/'],
    ['PUT', '/v1/machines'],
  ] as const)('%s %s is no route', async (method, url) => {
    expectProblem(await call(method, url), 404, 'NOT_FOUND', 'url');
  });

  test('a body that is too large, no JSON, or of another type', async () => {
    const large = { name: 'x'.repeat(70_000) };
    expectProblem(await call('POST', '/v1/machines', large), 413, 'LIMIT_EXCEEDED', 'body');
    const json = { 'content-type': 'application/json' };
    expectProblem(await call('POST', '/v1/machines', '{"name":', json), 400, 'INVALID_INPUT');
    expectProblem(await call('POST', '/v1/machines', '', json), 400, 'INVALID_INPUT');
    const xml = { 'content-type': 'application/xml' };
    const answer = await call('POST', '/v1/machines', '<a/>', xml);
    expectProblem(answer, 415, 'INVALID_INPUT', 'content-type');
    expectProblem(await call('GET', '/v1/machines/%zz'), 400, 'INVALID_INPUT');
    expectProblem(await call('GET', `/v1/machines/${'x'.repeat(200)}`), 414, 'INVALID_INPUT');
  });

  test.each([
    ['bytes that are not HTTP', 'garbage\r\n\r\n', 400, 'INVALID_INPUT'],
    [
      'headers beyond all measure',
      `GET /v1/health HTTP/1.1\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`,
      431,
      'LIMIT_EXCEEDED',
    ],
  ])('%s get a problem too', async (_name, bytes, status, code) => {
    await fresh(); // this one listens
    const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
    const text = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes));
      let received = '';
      socket.on('data', (chunk) => {
        received += chunk.toString();
      });
      socket.on('close', () => resolve(received));
      socket.on('error', reject);
    });
    await app.close();
    await fresh();
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    const body: unknown = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4));
    expect(body).toMatchObject({ code, status });
  });
});

describe('input', () => {
  const good = { name: 'pc-1', mac: MAC, vdisk: 'debian' };

  test.each([
    ['a missing field', { name: 'pc-1', vdisk: 'debian' }, 'mac', undefined],
    ['an unknown field', { ...good, colour: 'red' }, 'colour', undefined],
    ['a name out of the alphabet', { ...good, name: 'PC 1' }, 'name', 'PC 1'],
    ['a number for a text', { ...good, mac: 5 }, 'mac', 5],
    ['a text for a truth', { ...good, enabled: 'true' }, 'enabled', 'true'],
    ['a word that is none of the list', { ...good, cacheMode: 'ram' }, 'cacheMode', 'ram'],
    ['a quota of another kind', { ...good, quota: true }, 'quota', true],
    ['what only the operation can tell', { ...good, mac: 'x' }, 'machine.mac', 'x'],
  ])('%s is refused by field and value', async (_what, payload, field, value) => {
    const answer = await call('POST', '/v1/machines', payload);
    expectProblem(answer, 400, 'INVALID_INPUT', field);
    expect(answer.body['value']).toEqual(value);
    expect((await call('GET', '/v1/machines')).body['items']).toEqual([]);
  });

  test('of a query is text, and numbers are read from it', async () => {
    expect((await call('GET', '/v1/events?limit=1')).body['items']).toHaveLength(1);
    for (const limit of ['0', '1001', 'x', '1.5']) {
      expectProblem(await call('GET', `/v1/events?limit=${limit}`), 400, 'INVALID_INPUT', 'limit');
    }
    expectProblem(await call('GET', '/v1/events?page=1'), 400, 'INVALID_INPUT', 'page');
  });

  test('an empty change is refused', async () => {
    expectProblem(await call('PATCH', '/v1/machines/pc-1', {}), 400, 'INVALID_INPUT');
  });

  test('a nested field is named with its path', async () => {
    const payload = { mode: 'template', template: { vdisk: 'debian', namePattern: 5 } };
    const answer = await call('PUT', '/v1/enrolment-policy', payload);
    expectProblem(answer, 400, 'INVALID_INPUT', 'template.namePattern');
  });
});

describe('the token', () => {
  test.each([
    ['none', {}],
    ['a wrong one', { authorization: 'Bearer a-token-of-test' }],
    ['a longer one', { authorization: `Bearer ${TOKEN}x` }],
    ['an empty one', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: `Basic ${TOKEN}` }],
  ])('%s is refused on every route but health', async (_what, headers) => {
    const urls = Object.keys(await paths()).filter((url) => url !== '/v1/health');
    expect(urls.length).toBeGreaterThan(10);
    for (const url of [...urls, '/v1/openapi.json']) {
      const response = await app.inject({
        method: 'GET',
        url: url.replace(/\{\w+\}/, 'x'),
        headers,
      });
      if (response.statusCode === 404) continue; // a path without GET: no route, nothing done
      expect([url, response.statusCode]).toEqual([url, 401]);
      expect(response.headers['content-type']).toContain('application/problem+json');
      expect(response.headers['www-authenticate']).toBe('Bearer');
      expect(response.json()).toMatchObject({ code: 'UNAUTHORIZED' });
    }
    const health = await app.inject({ url: '/v1/health', headers });
    expect(health.json()).toEqual({ status: 'ok', version: '0.1.0' });
  });

  test('is asked for before the body is read, and nothing is done without it', async () => {
    const payload = { name: 'pc-1', mac: MAC, vdisk: 'debian' };
    for (const [method, url] of [
      ['POST', '/v1/machines'],
      ['DELETE', '/v1/vdisks/debian'],
      ['PUT', '/v1/enrolment-policy'],
    ] as const) {
      const response = await app.inject({ method, url, payload });
      expect(response.statusCode).toBe(401);
    }
    expect((await call('GET', '/v1/machines')).body['items']).toEqual([]);
    expect((await call('GET', '/v1/vdisks')).body['items']).toHaveLength(1);
  });

  test('may not be empty', () => {
    expect(() => buildApi({ control: service.control, token: '' })).toThrow(/empty/);
  });
});

async function paths(): Promise<Record<string, Record<string, OpenApiOperation>>> {
  const { body } = await call('GET', '/v1/openapi.json');
  return body['paths'] as Record<string, Record<string, OpenApiOperation>>;
}

interface OpenApiOperation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: unknown;
  readonly responses: Readonly<Record<string, { readonly content?: Record<string, unknown> }>>;
}

describe('the OpenAPI document', () => {
  test('is 3.1 and covers each route', async () => {
    const { body } = await call('GET', '/v1/openapi.json');
    expect(body).toMatchObject({
      openapi: '3.1.0',
      info: { title: 'Rootcast', version: '0.1.0' },
      security: [{ token: [] }],
    });
    const documented = Object.entries(await paths()).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(documented.filter((route) => !isTriedElsewhere(route)).sort()).toEqual(
      [
        'GET /v1/health',
        'GET /v1/status',
        'GET /v1/vdisks',
        'POST /v1/vdisks',
        'GET /v1/vdisks/{name}',
        'PATCH /v1/vdisks/{name}',
        'DELETE /v1/vdisks/{name}',
        'POST /v1/vdisks/{name}/revert',
        'POST /v1/vdisks/{name}/verify',
        'POST /v1/vdisks/upload',
        'GET /v1/vdisks/{name}/bundle',
        'POST /v1/vdisks/{name}/bundle',
        'POST /v1/vdisks/{name}/bundle/export',
        'GET /v1/vdisks/{name}/versions/{number}/content',
        'POST /v1/vdisks/{name}/versions/{number}/export',
        'GET /v1/inventory',
        'GET /v1/bundles',
        'POST /v1/bundles',
        'POST /v1/bundles/import',
        'POST /v1/bundles/pull',
        'POST /v1/bundles/show',
        'POST /v1/chunks',
        'GET /v1/vdisks/{name}/versions',
        'POST /v1/vdisks/{name}/versions',
        'GET /v1/vdisks/{name}/versions/{number}',
        'PATCH /v1/vdisks/{name}/versions/{number}',
        'DELETE /v1/vdisks/{name}/versions/{number}',
        'POST /v1/vdisks/{name}/versions/{number}/demote',
        'POST /v1/vdisks/{name}/versions/{number}/merge',
        'POST /v1/vdisks/{name}/versions/{number}/promote',
        'POST /v1/vdisks/{name}/versions/{number}/seal',
        'POST /v1/vdisks/{name}/versions/{number}/verify',
        'GET /v1/machines',
        'POST /v1/machines',
        'GET /v1/machines/{name}',
        'PATCH /v1/machines/{name}',
        'DELETE /v1/machines/{name}',
        'POST /v1/machines/{name}/reset',
        'GET /v1/machines/{name}/changes',
        'POST /v1/machines/{name}/capture',
        'POST /v1/machines/update',
        'GET /v1/machines/{name}/personality',
        'PUT /v1/machines/{name}/personality',
        'PATCH /v1/machines/{name}/personality',
        'DELETE /v1/machines/{name}/personality',
        'GET /v1/collections',
        'POST /v1/collections',
        'GET /v1/collections/{name}',
        'PATCH /v1/collections/{name}',
        'DELETE /v1/collections/{name}',
        'GET /v1/collections/{name}/personality',
        'PUT /v1/collections/{name}/personality',
        'PATCH /v1/collections/{name}/personality',
        'DELETE /v1/collections/{name}/personality',
        'GET /v1/enrolments',
        'POST /v1/enrolments/{mac}/approve',
        'POST /v1/enrolments/{mac}/refuse',
        'GET /v1/enrolment-policy',
        'PUT /v1/enrolment-policy',
        'GET /v1/tasks',
        'GET /v1/tasks/{id}',
        'POST /v1/tasks/{id}/cancel',
        'GET /v1/events',
        'GET /v1/leases',
      ].sort(),
    );
    for (const route of documented) {
      const [method, url] = route.split(' ') as [string, string];
      const real = url.replaceAll(/\{(\w+)\}/g, ':$1');
      expect([route, app.hasRoute({ method: method as 'GET', url: real })]).toEqual([route, true]);
    }
  });

  test('says of each operation who it is, what it takes and what it answers', async () => {
    const ids = new Set<string>();
    for (const [path, operations] of Object.entries(await paths())) {
      const variables = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      for (const [method, operation] of Object.entries(operations)) {
        expect(operation.operationId).toMatch(/^[a-z][A-Za-z]+$/);
        expect(operation.summary).toMatch(/\w/);
        expect(ids.has(operation.operationId)).toBe(false);
        ids.add(operation.operationId);
        const inPath = (operation.parameters ?? []).filter((one) => one.in === 'path');
        expect(inPath.map(({ name }) => name)).toEqual(variables);
        const success = Object.keys(operation.responses).filter((status) => /^2/.test(status));
        expect([path, method, success.length]).toEqual([path, method, 1]);
        if (path === '/v1/health') continue;
        for (const status of ['4XX', '5XX']) {
          const content = operation.responses[status]?.content ?? {};
          expect(Object.keys(content)).toEqual(['application/problem+json']);
        }
      }
    }
  });
});

describe('resources', () => {
  beforeEach(async () => {
    await app.close();
    await fresh();
  });

  test('an import answers with its task, which leads to the vDisk', async () => {
    const started = await call('POST', '/v1/vdisks', { name: 'other', path: '/x', format: 'raw' });
    expect(started.status).toBe(202);
    const url = String(started.headers['location']);
    expect(url).toBe(`/v1/tasks/${started.body['id']}`);
    await service.control.tasks.settled(String(started.body['id']));
    expect((await call('GET', url)).body).toMatchObject({
      state: 'succeeded',
      result: { name: 'other', versions: [{ number: 1 }] },
    });
    expect((await call('GET', '/v1/vdisks/other')).body).toMatchObject({ bootable: true });
    expect((await call('DELETE', '/v1/vdisks/other')).status).toBe(204);
    expect((await call('POST', `${url}/cancel`)).body).toMatchObject({ state: 'succeeded' });
    expect((await call('GET', '/v1/tasks')).body['items']).toHaveLength(2);
  });

  test('a failed import keeps every word of its fault', async () => {
    const fault = new Fault('IMAGE_INVALID', 'it ends early', { field: 'path', value: 7 });
    service.images.importImage = () => Promise.reject(fault);
    const { body } = await call('POST', '/v1/vdisks', { name: 'other', path: '/x' });
    await service.control.tasks.settled(String(body['id']));
    expect((await call('GET', `/v1/tasks/${body['id']}`)).body).toMatchObject({
      state: 'failed',
      error: { code: 'IMAGE_INVALID', message: 'it ends early', field: 'path', value: 7 },
    });
  });

  test('a machine from its first day to its last', async () => {
    const fields = { name: 'pc-1', mac: '5254.0012.3456', vdisk: 'debian', quota: '1G' };
    const added = await call('POST', '/v1/machines', fields);
    expect(added.status).toBe(201);
    expect(added.headers['location']).toBe('/v1/machines/pc-1');
    expect(added.body).toMatchObject({ mac: MAC, state: 'off', lastBoot: null });
    const changed = await call('PATCH', '/v1/machines/pc-1', { quota: null, enabled: false });
    expect(changed.body).toMatchObject({ enabled: false, cache: { quotaBytes: null } });
    expect((await call('POST', '/v1/machines/pc-1/reset')).status).toBe(200);
    const inUse = await call('DELETE', '/v1/vdisks/debian');
    expectProblem(inUse, 409, 'IN_USE', 'vdisk.machines');
    expect((await call('DELETE', '/v1/machines/pc-1')).status).toBe(204);
    expectProblem(await call('GET', '/v1/machines/pc-1'), 404, 'NOT_FOUND', 'machine.name');
    const subject = encodeURIComponent('machine/pc-1');
    const events = (await call('GET', `/v1/events?subject=${subject}`)).body['items'];
    expect((events as { kind: string }[]).map(({ kind }) => kind)).toEqual([
      'machine.deleted',
      'machine.reset',
      'machine.changed',
      'machine.added',
    ]);
  });
});
