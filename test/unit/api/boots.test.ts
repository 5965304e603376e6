/** Machines that boot, the queue and boot traces over HTTP and by the CLI: every route once, as its schema says. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv, type AnySchemaObject } from 'ajv';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildApi } from '../../../src/api/index.ts';
import { runCli } from '../../../src/cli/index.ts';
import { TRACE_FILE_BYTES_MAX } from '../../../src/cli/limits.ts';
import { bootOrWait, noteBootStage } from '../../../src/control/index.ts';
import { MAX_TRACE_BOOTS, MAX_TRACE_UNITS } from '../../../src/control/limits.ts';
import { encodeUnits } from '../../../src/control/values/trace-units.ts';
import { MAX_TRACED_DISK_BYTES } from '../../../src/vdisk/trace/limits.ts';
import { fakeIo } from '../cli/fake-io.ts';
import {
  type FakeService,
  fakeService,
  START,
  withVdisk,
} from '../control/support/fake-service.ts';
import { strict } from './strict-schema.ts';

const TOKEN = 'boots-token';
const MACS = ['52:54:00:00:00:01', '52:54:00:00:00:02'] as const;
const TRACE = '/v1/vdisks/debian/versions/1/trace';

let service: FakeService;
let app: FastifyInstance;
beforeEach(async () => {
  service = fakeService({ admission: { most: 1, perSecond: 0, slotMs: 60_000 } });
  await withVdisk(service);
  app = buildApi({ control: service.control, token: TOKEN });
  for (const [at, mac] of MACS.entries()) {
    await call('POST', '/v1/machines', { name: `pc-${at + 1}`, mac, vdisk: 'debian' });
  }
  for (const mac of MACS) await bootOrWait(service.control, mac);
  const [version] = service.control.catalog.versions.ofVdisk(
    service.control.catalog.vdisks.byName('debian')?.id ?? '',
  );
  if (version === undefined || version.state === 'maintenance') throw new Error('no version');
  const units = encodeUnits(Uint32Array.from({ length: 20 }, (_, at) => 3 * at));
  const { contentId } = version;
  const trace = { contentId, recordedAt: START, machine: 'pc-9', unitBytes: 131_072, units };
  service.control.catalog.traces.insert(trace, 8);
});
afterEach(() => app.close());

async function call(
  method: NonNullable<InjectOptions['method']>,
  url: string,
  payload?: object,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const response = await app.inject({
    ...{ method, url, headers },
    ...(payload === undefined ? {} : { payload }),
  });
  return { status: response.statusCode, body: response.body === '' ? {} : response.json() };
}

describe('over HTTP', () => {
  test('each route answers as its schema says', async () => {
    const { paths } = (await call('GET', '/v1/openapi.json')).body as {
      paths: Record<string, Record<string, { responses: Record<string, AnySchemaObject> }>>;
    };
    const ajv = new Ajv({ strict: false, allowUnionTypes: true });
    ajv.addFormat('date-time', true);
    const template = (url: string): string =>
      url.replace('debian/versions/1', '{name}/versions/{number}').replace('pc-1', '{name}');
    const check = async (method: 'GET' | 'PUT', url: string, payload?: object) => {
      const { status, body } = await call(method, url, payload);
      expect({ url, status, body }).toMatchObject({ status: 200 });
      const answer = paths[template(url)]?.[method.toLowerCase()]?.responses['200'];
      const schema = answer?.['content']?.['application/json']?.['schema'];
      const fits = ajv.validate(strict(schema) as AnySchemaObject, body);
      expect({ url, errors: fits ? null : ajv.errors }).toEqual({ url, errors: null });
      return body;
    };
    const rule = { vdisk: 'debian', most: 3 };
    expect(await check('PUT', '/v1/boots/rules', rule)).toMatchObject({ items: [rule] });
    expect(await check('GET', '/v1/boots/rules')).toMatchObject({ items: [rule] });
    expect(await check('GET', '/v1/boots')).toMatchObject({
      ...{ most: 1, slotsTaken: 1, waiting: 1, booting: [{ machine: 'pc-1' }] },
      queue: [{ place: 1, machine: 'pc-2' }],
    });
    expect(await check('GET', '/v1/machines/pc-1/boots')).toMatchObject({
      items: [{ vdisk: 'debian', version: 1, ended: null }],
    });
    expect(await check('GET', TRACE)).toMatchObject({ units: 20, of: 1 });
    const { file } = await check('GET', `${TRACE}/file`);
    expect((await call('DELETE', TRACE)).status).toBe(204);
    expect(await check('GET', TRACE)).toMatchObject({ units: 0, of: null });
    expect(await check('PUT', `${TRACE}/file`, { file })).toMatchObject({ units: 20 });
  });

  test('the largest trace that can be recorded can be taken back as well', async () => {
    const { traces } = service.control.catalog;
    const [{ contentId } = { contentId: '' }] = service.control.catalog.layers.all();
    traces.delete(contentId);
    // Of the largest disk that is recorded, and each unit as far from the one before as can be.
    const last = MAX_TRACED_DISK_BYTES / 131_072 - 1;
    const order = Array.from({ length: MAX_TRACE_UNITS / 2 }, (_, at) => [at, last - at]).flat();
    const units = encodeUnits(Uint32Array.from(order));
    const trace = { contentId, recordedAt: START, machine: 'pc-9', unitBytes: 131_072, units };
    for (let boot = 0; boot < MAX_TRACE_BOOTS; boot++) traces.insert(trace, MAX_TRACE_BOOTS);
    const { file } = (await call('GET', `${TRACE}/file`)).body;
    await call('DELETE', TRACE);
    expect(await call('PUT', `${TRACE}/file`, { file })).toMatchObject({
      body: { units: MAX_TRACE_UNITS },
    });
    expect(Buffer.from(String(file), 'base64').length).toBeLessThanOrEqual(TRACE_FILE_BYTES_MAX);
  });

  test('what is wrong is named', async () => {
    expect(await call('PUT', '/v1/boots/rules', { vdisk: 'debian', most: -1 })).toMatchObject({
      ...{ status: 400, body: { code: 'INVALID_INPUT', field: 'most' } },
    });
    expect(await call('PUT', `${TRACE}/file`, { file: 'no base64!' })).toMatchObject({
      ...{ status: 400, body: { field: 'file' } },
    });
    expect((await call('GET', '/v1/machines/none/boots')).status).toBe(404);
    expect((await call('GET', '/v1/vdisks/debian/versions/7/trace')).status).toBe(404);
  });
});

describe('by the CLI', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rootcast-traces-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const io = fakeIo({
      fetch: async (input, init) => {
        const url = new URL(String(input));
        const { body } = init ?? {};
        const response = await app.inject({
          method: (init?.method ?? 'GET') as 'GET',
          url: `${url.pathname}${url.search}`,
          headers: init?.headers as Record<string, string>,
          ...(typeof body === 'string' ? { payload: body } : {}),
        });
        const text = response.statusCode === 204 ? null : response.body;
        return new Response(text, { status: response.statusCode });
      },
      env: { ROOTCAST_SERVER: 'http://x', ROOTCAST_TOKEN: TOKEN },
      cwd: folder,
    });
    const code = await runCli(args, io);
    return { code, out: io.out, err: io.err };
  }

  async function cli(...args: string[]): Promise<string> {
    const end = await run(...args);
    expect({ args, ...end }).toMatchObject({ code: 0 });
    return end.out;
  }

  test('a file that is too long for a trace is not read to its end', async () => {
    for (const endless of ['/dev/zero', 'long']) {
      writeFileSync(join(folder, 'long'), Buffer.alloc(TRACE_FILE_BYTES_MAX + 1));
      expect(await run('version', 'trace', 'import', 'debian', '1', endless)).toMatchObject({
        ...{ code: 2, err: expect.stringContaining(`more than ${TRACE_FILE_BYTES_MAX} bytes`) },
      });
    }
    expect(await run('version', 'trace', 'import', 'debian', '1', 'none')).toMatchObject({
      ...{ code: 1, err: expect.stringContaining('cannot read') },
    });
  });

  test('the queue, a rule, a timeline, and a trace to a file and back', async () => {
    expect(await cli('boots')).toMatch(/at once: +1 of 1\n[\s\S]*1 +pc-2/);
    expect(await cli('boots', 'rule', '--machine', 'pc-2', '--priority', '-5')).toMatch(
      /machine +pc-2 +- +-5/,
    );
    service.clock.advance(1500);
    noteBootStage(service.control, MACS[0], 'script');
    service.clock.advance(2500);
    noteBootStage(service.control, MACS[0], 'ready');
    expect(await cli('machine', 'timeline', 'pc-1')).toMatch(
      /debian version 1, ready, took 4\.0 s\n[\s\S]*ready .*\+2\.5 s +2\.5 s/,
    );
    expect(await cli('machine', 'timeline', 'pc-2')).toContain('has not booted yet');
    expect(await cli('version', 'trace', 'show', 'debian', '1')).toMatch(/20 units[\s\S]*pc-9/);
    await cli('version', 'trace', 'export', 'debian', '1', 'file');
    await cli('version', 'trace', 'delete', 'debian', '1');
    expect(await cli('version', 'trace', 'show', 'debian', '1')).toContain('nothing yet');
    expect(await cli('version', 'trace', 'import', 'debian', '1', 'file')).toContain('20 units');
  });
});
