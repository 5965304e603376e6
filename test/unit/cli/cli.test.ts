/** The CLI as it is used: against a listening API, over memory. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildApi } from '../../../src/api/index.ts';
import { type CliIo, runCli } from '../../../src/cli/index.ts';
import { decideBoot, requestBoot, saveLease } from '../../../src/control/index.ts';
import { Fault } from '../../../src/errors/index.ts';
import {
  type FakeService,
  fakeService,
  START,
  withVdisk,
} from '../control/support/fake-service.ts';
import { type FakeIo, fakeIo } from './fake-io.ts';

const TOKEN = 'cli-token';
const MAC = '52:54:00:12:34:56';

let service: FakeService;
let app: FastifyInstance;
let server = 'http://127.0.0.1:1'; // nobody, until there is a service
let folder: string;

/** For a describe whose tests talk to a service. */
function eachWithService(): void {
  beforeEach(async () => {
    service = fakeService();
    app = buildApi({ control: service.control, token: TOKEN });
    server = await app.listen({ port: 0, host: '127.0.0.1' });
  });
  afterEach(() => app.close());
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rootcast-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function connected(options: Partial<CliIo> = {}): FakeIo {
  return fakeIo({
    env: { ROOTCAST_SERVER: server, ROOTCAST_TOKEN: TOKEN },
    cwd: '/home/me',
    ...options,
  });
}

async function run(line: string | readonly string[], io: FakeIo = connected()): Promise<Ran> {
  const argv = typeof line === 'string' ? line.split(' ') : line;
  const code = await runCli(argv, io);
  return { code, out: io.out, err: io.err };
}

/** Runs with --json: all of stdout has to be one JSON document. */
async function runJson(line: string, io: FakeIo = connected()): Promise<unknown> {
  const { code, out, err } = await run(`${line} --json`, io);
  expect({ code, err }).toEqual({ code: 0, err: expect.any(String) });
  return JSON.parse(out);
}

describe('vdisk import', () => {
  eachWithService();

  test('waits, tells progress on stderr and the result on stdout', async () => {
    service.images.instant = false;
    const io = connected();
    let looks = 0;
    io.onSleep = () => {
      const pending = service.images.pending[0];
      looks++;
      if (looks <= 4) pending?.progress({ bytesDone: looks * 20, bytesTotal: 100 });
      else pending?.finish();
    };
    const { code, out, err } = await run('vdisk import images/d.qcow2 --name debian', io);
    expect(code).toBe(0);
    expect(service.images.pending[0]?.request.path).toBe('/home/me/images/d.qcow2');
    expect(out).toBe('vDisk debian imported: 2.0 TiB, 1.0 GiB of data\n');
    const told = err.match(/\d+ %/g) ?? [];
    expect(told).toEqual(['0 %', '20 %', '40 %', '60 %', '80 %', '100 %']);
  });

  test('draws a bar on a terminal', async () => {
    const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
    let drawn = '';
    terminal.on('data', (chunk: Buffer) => {
      drawn += chunk.toString();
    });
    const io = connected({ terminal });
    const { code, out } = await run('vdisk import /d.img --name debian', io);
    expect(code).toBe(0);
    expect(drawn).toContain('import debian');
    expect(io.err).toBe('');
    expect(out).toContain('vDisk debian imported');
  });

  test('hands over what is given by hand', async () => {
    service.images.instant = false;
    const line = [
      ...'vdisk import d --name debian --no-wait --json --format raw'.split(' '),
      ...['--kernel', 'k', '--initrd', '/i', '--kernel-arguments', 'console=ttyS0 quiet'],
    ];
    const { code, out } = await run(line);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ kind: 'vdisk.import', state: 'running' });
    expect(service.images.pending[0]?.request).toEqual({
      path: '/home/me/d',
      format: 'raw',
      kernel: '/home/me/k',
      initrd: '/i',
    });
    await service.control.tasks.close();
  });

  test('with --json prints the vDisk', async () => {
    expect(await runJson('vdisk import /d --name debian')).toMatchObject({
      name: 'debian',
      production: 1,
    });
  });

  test('that fails says why and ends with 1', async () => {
    const fault = new Fault('BACKING_FILE_MISSING', 'no such file: /base', {
      field: 'path',
      value: '/base',
      expected: 'a file that is there',
    });
    service.images.importImage = () => Promise.reject(fault);
    const { code, out, err } = await run('vdisk import /d --name debian --json');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('BACKING_FILE_MISSING: no such file: /base\n  field:    path\n');
    expect(err).toContain('  value:    "/base"\n  expected: a file that is there\n');
  });

  test('Ctrl-C cancels the task and waits until it has stopped', async () => {
    service.images.instant = false;
    const io = connected();
    io.onSleep = () => io.interrupt();
    const { code, out, err } = await run('vdisk import /d --name debian', io);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('CANCELLED');
    expect(service.control.tasks.list().map(({ state }) => state)).toEqual(['cancelled']);
  });
});

describe('every command', () => {
  eachWithService();
  beforeEach(() => withVdisk(service));

  test('does its work, and prints JSON where asked', async () => {
    expect(await runJson('vdisk list')).toMatchObject([{ name: 'debian' }]);
    expect(await runJson('vdisk show debian')).toMatchObject({ versions: [{ number: 1 }] });
    const add = `machine add pc-1 --mac 525400123456 --vdisk debian`;
    expect(await runJson(`${add} --cache server-persistent --quota 10GiB`)).toMatchObject({
      name: 'pc-1',
      mac: MAC,
      cacheMode: 'server-persistent',
      cache: { quotaBytes: 10 * 2 ** 30 },
    });
    expect(await runJson('machine list')).toMatchObject([{ name: 'pc-1', state: 'off' }]);
    expect(await runJson('machine set pc-1 --quota none --disable')).toMatchObject({
      enabled: false,
      cache: { quotaBytes: null },
    });
    expect(await runJson('machine set pc-1 --enable --cache server')).toMatchObject({
      enabled: true,
      cacheMode: 'server',
    });
    expect(await runJson('machine reset pc-1')).toMatchObject({ name: 'pc-1' });
    expect(await runJson('machine show pc-1')).toMatchObject({ state: 'off', lastBoot: null });
    expect(await runJson('machine delete pc-1')).toEqual({ deleted: 'pc-1' });
    expect(await runJson('task list')).toMatchObject([{ id: 'id-1', state: 'succeeded' }]);
    expect(await runJson('task show id-1')).toMatchObject({ state: 'succeeded' });
    expect(await runJson('task cancel id-1')).toMatchObject({ state: 'succeeded' });
    expect(await runJson('leases')).toEqual([]);
    expect(await runJson('status')).toMatchObject({ server: 'rack-1', vdisks: 1 });
    expect(await runJson('events --limit 2')).toMatchObject([
      { kind: 'machine.reset' },
      { kind: 'machine.deleted' },
    ]);
    expect(await runJson('events --subject vdisk/debian')).toHaveLength(2);
    expect(await runJson('vdisk delete debian')).toEqual({ deleted: 'debian' });
  });

  test('enrolments: from the first question to a machine', async () => {
    decideBoot(service.control, { mac: MAC, arch: 'x64-uefi' });
    decideBoot(service.control, { mac: '52:54:00:00:00:02', arch: 'x86-bios' });
    expect(await runJson('enrolment list')).toHaveLength(2);
    expect(await runJson('enrolment refuse 52-54-00-00-00-02')).toMatchObject({ state: 'refused' });
    expect(await runJson(`enrolment approve ${MAC} --name pc-1 --vdisk debian`)).toMatchObject({
      name: 'pc-1',
      enrolment: 'approved',
    });
    expect(await runJson('enrolment policy')).toEqual({ mode: 'wait', template: null });
    const template = 'enrolment policy --template debian --names pc-{n} --quota 2G';
    expect(await runJson(template)).toMatchObject({
      mode: 'template',
      template: { vdisk: 'debian', namePattern: 'pc-{n}', quotaBytes: 2 ** 31 },
    });
    expect(await runJson('enrolment policy --wait')).toMatchObject({ mode: 'wait' });
  });

  test('prints tables for people', async () => {
    await run('machine add pc-1 --mac 525400123456 --vdisk debian --quota 8K');
    const { id } = service.control.catalog.machines.byName('pc-1') ?? { id: '' };
    await requestBoot(service.control, MAC);
    service.dataPlane.set(id, {
      connections: [{ address: '192.0.2.7:40000', connectedAt: START, tls: true }],
      bytesRead: 5 * 2 ** 20,
      cacheUsedBytes: 4096,
      cacheFull: true,
      lastRequestAt: START,
    });
    saveLease(service.control, { ip: '192.0.2.9', mac: MAC, expiresAt: START, state: 'bound' });
    const list = await run('machine list');
    expect(list.out.split('\n')[0]).toMatch(/^NAME +STATE +MAC +VDISK/);
    expect(list.out.split('\n')[1]).toMatch(/^pc-1 +booting +52:54:00:12:34:56 +debian +1/);
    const show = await run('machine show pc-1');
    expect(show.out).toMatch(/^state: +booting$/m);
    expect(show.out).toMatch(/^write cache: +server, 4\.0 KiB of 8\.0 KiB \(50 %, FULL\)$/m);
    expect(show.out).toMatch(/^read: +5\.0 MiB$/m);
    expect(show.out).toMatch(/^connection: +192\.0\.2\.7:40000 since 2026-01-02 03:04:05Z, TLS$/m);
    expect((await run('leases')).out).toMatch(/192\.0\.2\.9 +52:54:00:12:34:56 +pc-1 +bound/);
    expect((await run('vdisk list')).out).toMatch(/^debian +1 +2\.0 TiB +1\.0 GiB +1/m);
    expect((await run('vdisk show debian')).out).toMatch(
      /^1 +production +qcow2 +1\.0 GiB +1\.0 GiB +1 +no +0 +abababababab/m,
    );
    expect((await run('events')).out).toMatch(/boot\.started +machine\/pc-1/);
    expect((await run('status')).out).toMatch(/^machines: +1 \(0 running, 1 booting, 0 off\)$/m);
    expect((await run('task list')).out).toMatch(/vdisk\.import +vdisk\/debian +succeeded/);
    expect((await run('enrolment list')).out).toBe('none\n');
    expect((await run('enrolment policy')).out).toBe('unknown machines wait for approval\n');
  });

  test('what the server refuses ends with 1: code, field, value, what is right', async () => {
    const { code, out, err } = await run('machine add PC --mac 525400123456 --vdisk debian --json');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^rootcast: INVALID_INPUT: .*\n {2}field: {4}name\n {2}value: {4}"PC"\n/);
    expect(err).toMatch(/expected: 1 to 63 of/);
    expect((await run('machine show nobody')).err).toContain(
      'NOT_FOUND: there is no machine nobody',
    );
    expect((await run(['machine', 'show', '../vdisks'])).code).toBe(1);
    await run('machine add pc-1 --mac 525400123456 --vdisk debian');
    expect((await run('vdisk delete debian')).err).toContain('IN_USE');
  });
});

describe('usage', () => {
  test.each([
    'bogus',
    'vdisk bogus',
    'vdisk import',
    'vdisk import /x',
    'vdisk import /x --name v --format tar',
    'machine add pc-1 --mac 525400123456',
    'machine add pc-1 --mac 525400123456 --vdisk v --cache ram',
    'machine set pc-1',
    'machine set pc-1 --enable --disable',
    'machine list extra',
    'enrolment policy --template v',
    'enrolment policy --names pc-{n}',
    'events --limit 0',
    'status --bogus',
    'status --server not-a-url',
    'status --server file:///etc',
  ])('rootcast %s is wrong: 2, and nothing on stdout', async (line) => {
    const { code, out, err } = await run(line);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).not.toBe('');
  });

  test('no command at all shows the help and is wrong', async () => {
    const { code, err } = await run([]);
    expect(code).toBe(2);
    expect(err).toContain('Usage: rootcast');
  });

  test('--help and --version are answers', async () => {
    const help = await run('--help');
    expect(help.code).toBe(0);
    for (const word of ['vdisk', 'machine', 'enrolment', 'task', 'events', 'leases', 'status']) {
      expect(help.out).toContain(word);
    }
    expect(await run('machine add --help')).toMatchObject({ code: 0 });
    expect(await run('--version')).toMatchObject({ code: 0, out: '9.8.7\n' });
  });
});

describe('which server, which token', () => {
  eachWithService();

  const withData = (files: Record<string, string>): string => {
    const data = mkdtempSync(join(folder, 'data-'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(data, name), text);
    return data;
  };

  test('--data DIR is enough: address and token are in it', async () => {
    const data = withData({
      'admin.token': `${TOKEN}\n`,
      'server.json': JSON.stringify({ http: server }),
    });
    expect(await run(`--data ${data} status`, fakeIo())).toMatchObject({ code: 0 });
    expect(await run(`status --json --data ${data}`, fakeIo())).toMatchObject({ code: 0, err: '' });
    const relative = fakeIo({ cwd: join(data, '..') });
    expect((await run(`status --data ${data.split('/').at(-1)}`, relative)).code).toBe(0);
  });

  test('./data is the default, as for the service', async () => {
    const cwd = mkdtempSync(join(folder, 'cwd-'));
    mkdirSync(join(cwd, 'data'));
    writeFileSync(join(cwd, 'data', 'admin.token'), TOKEN);
    writeFileSync(join(cwd, 'data', 'server.json'), JSON.stringify({ http: server }));
    expect((await run('status', fakeIo({ cwd }))).code).toBe(0);
  });

  test('--server goes before ROOTCAST_SERVER, that before server.json', async () => {
    const wrong = 'http://127.0.0.1:1';
    const data = withData({ 'admin.token': TOKEN, 'server.json': JSON.stringify({ http: wrong }) });
    const env = { ROOTCAST_SERVER: wrong };
    expect((await run(`status --data ${data} --server ${server}/`, fakeIo({ env }))).code).toBe(0);
    const better = { ROOTCAST_SERVER: server };
    expect((await run(`status --data ${data}`, fakeIo({ env: better }))).code).toBe(0);
    expect((await run(`status --data ${data}`, fakeIo())).code).toBe(3);
  });

  test('no token is wrong usage; a wrong one is refused, and never shown', async () => {
    const none = await run(`status --server ${server}`, fakeIo({ cwd: folder }));
    expect(none.code).toBe(2);
    expect(none.err).toContain('ROOTCAST_TOKEN');
    const env = { ROOTCAST_SERVER: server, ROOTCAST_TOKEN: 'wrong-token' };
    const wrong = await run('status', fakeIo({ env }));
    expect(wrong.code).toBe(1);
    expect(wrong.err).toContain('UNAUTHORIZED');
    expect(wrong.err).not.toContain('wrong-token');
  });

  test('a server that is not there: 3, which URL, and how to start it', async () => {
    await app.close();
    const { code, out, err } = await run('status --json');
    expect({ code, out }).toEqual({ code: 3, out: '' });
    expect(err).toContain(`cannot reach ${server} (ECONNREFUSED)`);
    expect(err).toContain('rootcast serve --data DIR');
  });

  test('a server that is something else: 3, or what it answered', async () => {
    const other = createServer((request, response) => {
      response.statusCode = request.url === '/v1/status' ? 200 : 404;
      response.end('<html>hello</html>');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const env = { ROOTCAST_SERVER: `http://127.0.0.1:${port}`, ROOTCAST_TOKEN: TOKEN };
    expect((await run('status', fakeIo({ env }))).code).toBe(3);
    const list = await run('machine list', fakeIo({ env }));
    expect(list).toMatchObject({ code: 1, err: expect.stringContaining('HTTP 404') });
    await new Promise((resolve) => other.close(resolve));
  });
});
