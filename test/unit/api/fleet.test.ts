/** Collections, changes of many machines and personality data over HTTP. */
import { Ajv, type AnySchemaObject } from 'ajv';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildApi } from '../../../src/api/index.ts';
import { decideBoot, requestBoot, saveLease } from '../../../src/control/index.ts';
import { MAX_MACHINES_PER_UPDATE } from '../../../src/control/limits.ts';
import {
  type FakeService,
  fakeService,
  START,
  withVdisk,
} from '../control/support/fake-service.ts';
import { isTriedElsewhere } from './storage-paths.ts';
import { strict } from './strict-schema.ts';

const TOKEN = 'fleet-token';

let service: FakeService;
let app: FastifyInstance;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
  app = buildApi({ control: service.control, token: TOKEN });
});
afterEach(() => app.close());

type Method = NonNullable<InjectOptions['method']>;

async function call(method: Method, url: string, payload?: object) {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const response = await app.inject({
    method,
    url,
    headers,
    ...(payload === undefined ? {} : { payload }),
  });
  const body: Record<string, unknown> = response.body === '' ? {} : response.json();
  return { status: response.statusCode, headers: response.headers, body };
}

const mac = (number: number): string => `52540000${number.toString(16).padStart(4, '0')}`;

describe('collections', () => {
  test('from their first day to their last', async () => {
    const added = await call('POST', '/v1/collections', { name: 'lab', vdisk: 'debian' });
    expect(added).toMatchObject({
      status: 201,
      headers: { location: '/v1/collections/lab' },
      body: { name: 'lab', machines: 0 },
    });
    await call('POST', '/v1/machines', { name: 'pc-1', mac: mac(1), collection: 'lab' });
    const changed = await call('PATCH', '/v1/collections/lab', { class: 'test', name: 'hall' });
    expect(changed.body).toMatchObject({ name: 'hall', machines: 1 });
    expect((await call('GET', '/v1/machines/pc-1')).body).toMatchObject({
      collection: 'hall',
      class: 'test',
      settings: { class: { value: 'test', from: 'collection' } },
    });
    expect((await call('GET', '/v1/machines?collection=hall')).body['items']).toHaveLength(1);
    expect((await call('GET', '/v1/machines?collection=lab')).status).toBe(404);
    expect((await call('GET', '/v1/collections')).body['items']).toMatchObject([{ name: 'hall' }]);
    expect((await call('DELETE', '/v1/collections/hall')).body).toMatchObject({ code: 'IN_USE' });
    await call('DELETE', '/v1/machines/pc-1');
    expect((await call('DELETE', '/v1/collections/hall')).status).toBe(204);
    expect((await call('GET', '/v1/collections/hall')).body).toMatchObject({
      status: 404,
      field: 'collection.name',
    });
  });

  test.each([
    ['POST', '/v1/collections', { name: 'lab', class: 'fast' }, 'class'],
    ['PATCH', '/v1/machines/pc-1', { inherit: ['mac'] }, 'inherit.0'],
    ['PATCH', '/v1/machines/pc-1', { inherit: ['quota', 'quota'] }, 'inherit'],
    ['PATCH', '/v1/machines/pc-1', { pinnedVersion: 0 }, 'pinnedVersion'],
    ['PATCH', '/v1/machines/pc-1', { collection: 'A' }, 'collection'],
    ['POST', '/v1/machines/update', { machines: [], change: { class: 'test' } }, 'machines'],
    ['POST', '/v1/machines/update', { machines: ['a'], change: { mac: mac(1) } }, 'change.mac'],
    ['POST', '/v1/machines/update', { machines: ['a'], change: {} }, 'change'],
    ['POST', '/v1/machines/update', { machines: ['a'] }, 'change'],
    ['GET', '/v1/events?actor=nobody', undefined, 'actor'],
  ] as const)('%s %s %j is refused by field', async (method, url, payload, field) => {
    expect((await call(method, url, payload)).body).toMatchObject({
      status: 400,
      code: 'INVALID_INPUT',
      field,
      expected: expect.any(String),
    });
  });
});

describe('one change of many machines', () => {
  test('answers with all of them', async () => {
    for (const [number, name] of ['a', 'b'].entries()) {
      await call('POST', '/v1/machines', { name, mac: mac(number), vdisk: 'debian' });
    }
    const change = { class: 'test', quota: '1G' };
    const { status, body } = await call('POST', '/v1/machines/update', {
      machines: ['b', 'a'],
      change,
    });
    expect(status).toBe(200);
    expect(body['items']).toMatchObject([
      { name: 'a', class: 'test', cache: { quotaBytes: 2 ** 30 } },
      { name: 'b', class: 'test' },
    ]);
  });

  test('takes as many of the longest names as there may be, and not one more', async () => {
    const names = (count: number): string[] =>
      Array.from({ length: count }, (_, index) => String(index).padStart(63, '0'));
    const ask = (count: number) =>
      call('POST', '/v1/machines/update', { machines: names(count), change: { class: 'test' } });
    expect((await ask(MAX_MACHINES_PER_UPDATE)).body).toMatchObject({ code: 'NOT_FOUND' });
    expect((await ask(MAX_MACHINES_PER_UPDATE + 1)).body).toMatchObject({
      code: 'INVALID_INPUT',
      field: 'machines',
    });
  });
});

describe('personality data', () => {
  beforeEach(async () => {
    await call('POST', '/v1/collections', { name: 'lab', vdisk: 'debian' });
    await call('POST', '/v1/machines', { name: 'pc-1', mac: mac(1), collection: 'lab' });
  });

  test.each(['machines/pc-1', 'collections/lab'])('of %s is read, set and removed', async (of) => {
    const url = `/v1/${of}/personality`;
    expect((await call('GET', url)).body).toEqual({
      values: {},
      inherited: {},
      bytes: 0,
      bytesMax: 65_536,
    });
    const put = await call('PUT', url, { values: { role: 'kiosk', 'a.b': 'ü' } });
    expect(put.body).toMatchObject({ values: { role: 'kiosk', 'a.b': 'ü' }, bytes: 14 });
    const patched = await call('PATCH', url, { set: { seat: '4' }, unset: ['a.b'] });
    expect(patched.body['values']).toEqual({ role: 'kiosk', seat: '4' });
    expect((await call('DELETE', url)).status).toBe(204);
    expect((await call('GET', url)).body['values']).toEqual({});
    expect((await call('GET', '/v1/machines/nobody/personality')).status).toBe(404);
  });

  test('may be 64 KiB whatever JSON makes of it; the limit of the body is told', async () => {
    const url = '/v1/machines/pc-1/personality';
    const worst = { values: { a: '\u0001'.repeat(65_535) } };
    expect(JSON.stringify(worst).length).toBeGreaterThan(6 * 65_535);
    expect((await call('PUT', url, worst)).body).toMatchObject({ bytes: 65_536 });
    const over = { values: { a: 'x'.repeat(65_536) } };
    expect((await call('PUT', url, over)).body).toMatchObject({
      status: 422,
      code: 'LIMIT_EXCEEDED',
      value: 65_537,
    });
    const huge = { values: { a: 'x'.repeat(600_000) } };
    expect((await call('PUT', url, huge)).body).toMatchObject({
      status: 413,
      expected: 'at most 524288 bytes',
    });
  });

  test.each([
    [{ values: { a: 1 } }, 'values.a'],
    [{ values: { 'a b': 'x' } }, 'personality.name'],
    [{ values: null }, 'values'],
    [{}, 'values'],
  ])('%j is refused by field', async (payload, field) => {
    const { body } = await call('PUT', '/v1/machines/pc-1/personality', payload);
    expect(body).toMatchObject({ status: 400, code: 'INVALID_INPUT', field });
  });

  test('has no names that mean something to JavaScript', async () => {
    const response = await app.inject({
      method: 'PUT',
      url: '/v1/machines/pc-1/personality',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      payload: '{"values":{"__proto__":"x"}}',
    });
    expect(response.statusCode).toBe(400);
    const url = '/v1/machines/pc-1/personality';
    const put = await call('PUT', url, { values: { constructor: 'x', toString: 'y' } });
    expect(put.body['values']).toEqual({ constructor: 'x', toString: 'y' });
    expect((await call('PUT', url, { values: {} })).body['values']).toEqual({});
  });
});

describe('the answers', () => {
  test('are what the OpenAPI document says, no more and no less', async () => {
    await call('POST', '/v1/collections', { name: 'lab', vdisk: 'debian' });
    await call('POST', '/v1/machines', { name: 'pc-1', mac: mac(1), collection: 'lab' });
    await call('PATCH', '/v1/machines/pc-1/personality', { set: { a: '1' } });
    const template = { namePattern: 'x-{n}', collection: 'lab' };
    await call('PUT', '/v1/enrolment-policy', { mode: 'template', template });
    await requestBoot(service.control, mac(1));
    await call('PUT', '/v1/enrolment-policy', { mode: 'wait' });
    decideBoot(service.control, { mac: mac(9), arch: 'x86-bios' });
    await call('PUT', '/v1/enrolment-policy', { mode: 'template', template });
    saveLease(service.control, { ip: '192.0.2.9', mac: mac(1), expiresAt: START, state: 'bound' });
    const { body } = await call('GET', '/v1/openapi.json');
    const ajv = new Ajv({ strict: false, formats: { 'date-time': true } });
    const { machines } = service.control.catalog;
    const overlay = { layerId: 'layer-1', usedBytes: 4096, isOpen: false };
    service.dataPlane.overlays.set(machines.byName('pc-1')?.id ?? '', overlay);
    const taskId = service.control.tasks.list()[0]?.id ?? '';
    const realPath = (path: string): string =>
      path
        .replace('/vdisks/{name}', '/vdisks/debian')
        .replace('/collections/{name}', '/collections/lab')
        .replace('/machines/{name}', '/machines/pc-1')
        .replace('{number}', '1')
        .replace(/bundles$/, 'bundles?path=/b.rcb')
        .replace('{id}', taskId);
    const checked: string[] = [];
    for (const [path, operations] of Object.entries(body['paths'] as Record<string, unknown>)) {
      const operation = (operations as Record<string, OpenApiOperation>)['get'];
      if (operation === undefined) continue;
      const schema = operation.responses['200']?.content['application/json']?.schema;
      if (schema === undefined) continue; // a stream: see transfers.test.ts
      if (isTriedElsewhere(path)) continue;
      const answer = await call('GET', realPath(path));
      expect([path, answer.status]).toEqual([path, 200]);
      const validate = ajv.compile(strict(schema) as AnySchemaObject);
      validate(answer.body);
      expect([path, validate.errors]).toEqual([path, null]);
      const { items } = answer.body;
      if (Array.isArray(items)) expect([path, items.length > 0]).toEqual([path, true]);
      checked.push(path);
    }
    expect(checked.length).toBeGreaterThan(15);
  });
});

interface OpenApiOperation {
  readonly responses: Readonly<
    Record<string, { readonly content: { 'application/json'?: { readonly schema: object } } }>
  >;
}
