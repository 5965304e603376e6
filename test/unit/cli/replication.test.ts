/** Replications on the command line, through the real API. */
import { Ajv, type AnySchemaObject } from 'ajv';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildApi } from '../../../src/api/index.ts';
import { runCli } from '../../../src/cli/index.ts';
import { isReplicationPath } from '../api/storage-paths.ts';
import { strict } from '../api/strict-schema.ts';
import { CHUNK, type ReplicationRig, replicationRig } from '../control/replication/rig.ts';
import { fakeIo } from './fake-io.ts';

const TOKEN = 'cli-token';

let rig: ReplicationRig;
let app: FastifyInstance;
let server: string;
beforeEach(async () => {
  rig = replicationRig();
  app = buildApi({ control: rig.control, token: TOKEN });
  server = await app.listen({ port: 0, host: '127.0.0.1' });
});
afterEach(() => app.close());

async function run(line: string) {
  const env = { ROOTCAST_SERVER: server, ROOTCAST_TOKEN: TOKEN };
  const io = fakeIo({ env, cwd: '/' });
  const code = await runCli(line.split(' '), io);
  return { code, out: io.out, err: io.err };
}

async function runJson(line: string): Promise<unknown> {
  const { code, out, err } = await run(`${line} --json`);
  expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out);
}

describe('a replication', () => {
  test('from its first point to its last', async () => {
    const create = 'replication create dr here/db --target there --interval 15m --rpo 1h';
    const settings = '--throttle 50M --compare --verification sampled --keep-source 2';
    expect(await runJson(`${create} ${settings}`)).toMatchObject({
      ...{ name: 'dr', state: 'initializing', interval: '15m', rpo: '1h', compare: true },
      ...{ throttle: 50 * 2 ** 20, verification: 'sampled', keepSource: 2, mode: 'engine' },
    });
    expect((await run('replication run dr')).out).toBe('replication dr: point 1 is complete\n');
    rig.clock.advance(1000);
    rig.storage.write('db', 3 * CHUNK, 'more');
    expect(await runJson('replication run dr')).toMatchObject({ point: 2 });
    const list = (await run('replication list')).out;
    expect(list).toMatch(/^dr +idle-consistent +here +there +1 +0 s +1h /m);
    const show = (await run('replication show dr')).out;
    expect(show).toMatch(/^throttle: +50\.0 MiB\/s$/m);
    expect(show).toMatch(/^here\/db +there\/db$/m);
    expect(show).toMatch(
      /^2 +complete +\S+ \S+ +\S+ \S+ +source, replica +64\.0 KiB +4\.0 KiB +[0-9a-f]{12}$/m,
    );
    const set = await runJson('replication set dr --throttle none --interval none --no-compare');
    expect(set).toMatchObject({ throttle: null, interval: null, compare: false });
    expect((await run('replication set dr')).code).toBe(2);
    expect((await run('replication pause dr')).out).toBe('replication dr is paused now\n');
    expect((await run('replication run dr')).err).toContain('is paused');
    await run('replication resume dr');
    expect((await run('replication delete dr')).out).toBe('replication dr deleted\n');
    expect((await run('replication show dr')).err).toContain('there is no replication dr');
  });

  test('fails over, and comes back', async () => {
    await run('replication create dr here/db --target there');
    await run('replication run dr');
    const tested = await run('replication test-failover dr --prefix try- --full');
    expect(tested.out).toBe('there/try-db\n');
    expect((await run('replication verify dr --source')).out).toMatch(
      /^point 1 in there\/db is what was sent \(64\.0 KiB, [0-9a-f]{12}\)\npoint 1 in here\/db is/,
    );
    expect((await run('replication failover dr')).out).toBe(
      'replication dr is failed over at point 3: its replica is written from now on\n',
    );
    expect((await run('replication show dr')).out).toMatch(/^written: +there \(reversed\)$/m);
    expect((await run('replication reverse dr')).out).toBe(
      'replication dr goes the other way now\n',
    );
    expect(await runJson('replication failover dr --force')).toMatchObject({ kind: 'forced' });
    expect((await run('replication resync dr --discard there')).out).toBe(
      'replication dr: there has what the other side has\n',
    );
    expect((await run('replication resync dr')).code).toBe(2);
    expect((await run('replication verify dr --point x')).code).toBe(2);
  });

  test('is told as the OpenAPI document says, no more and no less', async () => {
    await run('replication create dr here/db here/log --target there --interval 15m');
    await run('replication run dr');
    await run('replication test-failover dr --prefix try-');
    const headers = { authorization: `Bearer ${TOKEN}` };
    const get = async (url: string) => (await app.inject({ method: 'GET', url, headers })).json();
    const { paths } = await get('/v1/openapi.json');
    const routes = Object.entries<object>(paths)
      .filter(([path]) => isReplicationPath(path))
      .flatMap(([path, operations]) => Object.keys(operations).map((verb) => `${verb} ${path}`));
    const verbs = [
      ...['pause', 'resume', 'run', 'verify', 'test-failover', 'failover', 'reverse', 'resync'],
    ];
    expect(routes.sort()).toEqual(
      [
        ...['get /v1/replications', 'post /v1/replications'],
        ...['get', 'patch', 'delete'].map((verb) => `${verb} /v1/replications/{name}`),
        ...verbs.map((verb) => `post /v1/replications/{name}/${verb}`),
      ].sort(),
    );
    const ajv = new Ajv({ strict: false, formats: { 'date-time': true } });
    for (const [path, url] of [
      ['/v1/replications', '/v1/replications'],
      ['/v1/replications/{name}', '/v1/replications/dr'],
    ] as const) {
      const { schema } = paths[path].get.responses['200'].content['application/json'];
      const validate = ajv.compile(strict(schema) as AnySchemaObject);
      validate(await get(url));
      expect([path, validate.errors]).toEqual([path, null]);
    }
  });

  test('whose replica rots is told with the exit code', async () => {
    await run('replication create dr here/db --target there');
    await run('replication run dr');
    const [point] = rig.control.catalog.points.ofReplication(
      rig.control.catalog.replications.byName('dr')?.id ?? '',
    );
    const rotten = rig.storage.snapshots.get(point?.members[0]?.snapshots.right ?? '');
    rotten?.device.write(Buffer.from('rot'), CHUNK, { fua: false });
    const found = await run('replication verify dr');
    expect(found.code).toBe(1);
    expect(found.err).toContain('point 1 is not what was sent: there/db');
  });

  test.each([
    ['POST', '/v1/replications', { name: 'dr', target: 'there', volumes: [] }],
    ['POST', '/v1/replications', { name: 'dr', target: 'there', interval: 5 }],
    ['POST', '/v1/replications', { name: 'dr', target: 'there', verification: 'none' }],
    ['PATCH', '/v1/replications/dr', {}],
    ['POST', '/v1/replications/dr/test-failover', { prefix: '-' }],
    ['POST', '/v1/replications/dr/resync', {}],
    ['POST', '/v1/replications/dr/verify', { point: 0 }],
  ] as const)('%s %s refuses %j', async (method, url, payload) => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const response = await app.inject({ method, url, headers, payload });
    expect(response.json()).toMatchObject({ status: 400, code: 'INVALID_INPUT' });
  });
});
