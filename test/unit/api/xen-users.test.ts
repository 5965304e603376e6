/** Users of XenAPI over HTTP and by the CLI: every route once, as its schema says, and no password comes back. */
import { Ajv, type AnySchemaObject } from 'ajv';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildApi } from '../../../src/api/index.ts';
import { authenticateXenUser } from '../../../src/control/index.ts';
import { servedCli } from '../cli/served-cli.ts';
import { type FakeService, fakeService } from '../control/support/fake-service.ts';
import { strict } from './strict-schema.ts';

const TOKEN = 'users-token';
const PASSWORD = 'correct-horse-battery';

let service: FakeService;
let app: FastifyInstance;
/** Everything that was answered and logged. */
let seen: string[];
beforeEach(() => {
  service = fakeService({ xenRootPassword: TOKEN });
  seen = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void seen.push(line) });
  app = buildApi({ control: service.control, token: TOKEN, logger });
});
afterEach(() => app.close());

async function call(method: NonNullable<InjectOptions['method']>, url: string, payload?: object) {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const response = await app.inject({
    ...{ method, url: `/v1${url}`, headers },
    ...(payload === undefined ? {} : { payload }),
  });
  seen.push(response.body);
  const body: Record<string, unknown> = response.body === '' ? {} : response.json();
  return { status: response.statusCode, headers: response.headers, body };
}

describe('over HTTP', () => {
  test('each route answers as its schema says', async () => {
    const { paths } = (await call('GET', '/openapi.json')).body as {
      paths: Record<string, Record<string, { responses: Record<string, AnySchemaObject> }>>;
    };
    const ajv = new Ajv({ strict: false, allowUnionTypes: true });
    ajv.addFormat('date-time', true);
    const check = async (
      method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
      url: string,
      expected: number,
      payload?: object,
    ) => {
      const { status, body } = await call(method, url, payload);
      expect({ url, status, body }).toMatchObject({ status: expected });
      const template = `/v1${url.replace(/users\/.+/, 'users/{name}')}`;
      const answer = paths[template]?.[method.toLowerCase()]?.responses[expected];
      expect(answer).toBeDefined();
      const schema = answer?.['content']?.['application/json']?.['schema'];
      if (expected === 204) return body;
      const fits = ajv.validate(strict(schema) as AnySchemaObject, body);
      expect({ url, errors: fits ? null : ajv.errors }).toEqual({ url, errors: null });
      return body;
    };
    const input = { name: 'backup', role: 'vm-admin', password: PASSWORD };
    expect(await check('POST', '/xen-users', 201, input)).toMatchObject({ name: 'backup' });
    expect(await check('GET', '/xen-users', 200)).toMatchObject({
      items: [
        { name: 'root', builtIn: true },
        { name: 'backup', role: 'vm-admin' },
      ],
    });
    expect(await check('GET', '/xen-users/root', 200)).toMatchObject({ role: 'pool-admin' });
    const change = { role: 'read-only', enabled: false };
    expect(await check('PATCH', '/xen-users/backup', 200, change)).toMatchObject(change);
    await check('DELETE', '/xen-users/backup', 204);
    expect((await call('GET', '/xen-users/backup')).status).toBe(404);
  });

  test('no password is ever said again, in no answer, error, log or event', async () => {
    await call('POST', '/xen-users', { name: 'a', role: 'vm-admin', password: PASSWORD });
    await call('PATCH', '/xen-users/a', { password: `${PASSWORD}2` });
    const wrong = [
      { name: 'a', role: 'vm-admin', password: PASSWORD },
      { name: 'b', role: PASSWORD.slice(0, 3), password: PASSWORD },
      { name: 'b', role: 'vm-admin', password: [PASSWORD] },
      { name: 'b', role: 'vm-admin', password: PASSWORD.repeat(20) },
      { name: 'root', role: 'vm-admin', password: PASSWORD },
    ];
    for (const input of wrong) {
      expect((await call('POST', '/xen-users', input)).status).toBeGreaterThanOrEqual(400);
    }
    expect((await call('PATCH', '/xen-users/a', { password: PASSWORD.slice(0, 7) })).status).toBe(
      400,
    );
    expect((await call('PATCH', '/xen-users/a', {})).status).toBe(400);
    expect((await call('DELETE', '/xen-users/root')).status).toBe(400);
    await call('GET', '/xen-users');
    await call('GET', '/events');
    expect(seen.join('\n') + JSON.stringify(service.told)).not.toMatch(/correct|scrypt/);
  });
});

describe('on the command line', () => {
  test('users are added with a password that is asked for or read, listed, changed and removed', async () => {
    const cli = await servedCli(service.control);
    const text = async (line: string, options = {}) => {
      const { code, out, err } = await cli.run(line, options);
      expect({ line, code, err }).toEqual({ line, code: 0, err: '' });
      return out;
    };
    const asked: string[] = [];
    const answers = [PASSWORD, PASSWORD];
    const askSecret = async (prompt: string) => {
      asked.push(prompt);
      return answers.shift() ?? '';
    };
    const added = await text('xen-user add backup --role vm-admin', { askSecret });
    expect(added).toMatch(/^backup +vm-admin +enabled +-$/m);
    expect(asked).toEqual(['password: ', 'the same again: ']);
    const stdin = async () => `${PASSWORD}2\n`;
    await text('xen-user add monitor --role read-only --password-file -', { stdin });
    const login = await authenticateXenUser(service.control, 'monitor', `${PASSWORD}2`);
    expect(login).toEqual({ name: 'monitor', role: 'read-only' });
    expect(await text('xen-user list')).toMatch(/^root +pool-admin +built in +-$/m);
    const off = await text('xen-user set backup --disable --role pool-operator');
    expect(off).toMatch(/^backup +pool-operator +disabled/m);
    expect(await text('xen-user show monitor')).toContain('2026-01-02 03:04:05Z');
    expect(await text('xen-user remove backup')).toBe('XenAPI user backup removed\n');
    const differ = async () => String(asked.push('again'));
    const typo = await cli.run('xen-user set monitor --password', { askSecret: differ });
    expect(typo).toMatchObject({ code: 2, err: expect.stringContaining('differ') });
    expect(await cli.run('xen-user add x --role boss')).toMatchObject({ code: 2 });
    expect(await cli.run('xen-user set monitor')).toMatchObject({ code: 2 });
    expect(await cli.run('xen-user add x --role vm-admin')).toMatchObject({ code: 2 });
    await cli.close();
  });
});
