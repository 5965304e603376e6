/** Hooks as they are carried out: programs of a folder, and calls to other servers. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { execHook } from '../../../../src/service/hooks/exec-hook.ts';
import { ServiceHooks } from '../../../../src/service/hooks/index.ts';
import { HOOK_OUTPUT_BYTES } from '../../../../src/service/hooks/limits.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const NEVER = new AbortController().signal;
/** Long enough that a test that waits for it has failed. */
const LONG_MS = 60_000;

describe('programs', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let hooks: ServiceHooks;
  beforeAll(async () => {
    folder = await temporaryFolder('hooks');
    hooks = new ServiceHooks(folder.path);
    writeFileSync(join(folder.path, 'plain.txt'), 'no program');
    mkdirSync(join(folder.path, 'folder'));
    symlinkSync('/bin/echo', join(folder.path, 'echo'));
  });
  afterAll(() => folder.remove());

  function script(name: string, text: string): string {
    const path = join(folder.path, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o700);
    return name;
  }
  const run = (argv: readonly string[], timeoutMs = LONG_MS, signal = NEVER) => {
    const facts = { ROOTCAST_VOLUMES: 'san1/db', ROOTCAST_SNAPSHOT: 'one' };
    return hooks.run(
      { action: { kind: 'exec', argv }, timeoutMs, facts, token: undefined },
      signal,
    );
  };

  test('get their arguments as they are, and names of what it is about', async () => {
    const name = script(
      'args.sh',
      'printf "%s|" "$@"; echo "$ROOTCAST_VOLUMES@$ROOTCAST_SNAPSHOT"',
    );
    const end = await run([name, '$(id)', 'a b', '; rm -rf x', '']);
    expect(end).toEqual({
      succeeded: true,
      how: 'exit code 0',
      output: '$(id)|a b|; rm -rf x||san1/db@one',
    });
    expect((await run(['echo', 'linked'])).output).toBe('linked');
  });

  test('get nothing of our environment but what a program needs', async () => {
    process.env['ROOTCAST_TOKEN'] = 'sesame-of-ours';
    const { output } = await run([script('env.sh', 'env; cat')]); // and nothing to read
    delete process.env['ROOTCAST_TOKEN'];
    expect(output).toContain('PATH=');
    expect(output).not.toContain('sesame-of-ours');
  });

  test('fail with their exit code, and what they said is kept', async () => {
    const end = await run([script('fails.sh', 'echo out; echo err >&2; exit 3')]);
    expect(end).toMatchObject({ succeeded: false, how: 'exit code 3' });
    expect(end.output).toContain('out');
    expect(end.output).toContain('err');
    expect(await run([script('dies.sh', 'kill -9 $$')])).toMatchObject({
      succeeded: false,
      how: 'ended by SIGKILL',
    });
  });

  test('that say too much are read to the end, and their beginning is kept', async () => {
    const end = await run([
      script('talks.sh', 'head -c 300000 /dev/zero | tr "\\0" x; echo done >&2'),
    ]);
    expect(end.succeeded).toBe(true);
    expect(end.output.length).toBeLessThan(HOOK_OUTPUT_BYTES + 100);
    expect(end.output).toMatch(/and \d+ bytes more$/);
  });

  test('that do not end are ended, with what they have started', async () => {
    const pid = join(folder.path, 'child.pid');
    const name = script(
      'hangs.sh',
      `trap '' TERM; sleep 1000 & echo $! > ${pid}; echo begun; wait; wait`,
    );
    const program = join(folder.path, name);
    const request = { program, args: [], folder: folder.path, facts: {} };
    const end = execHook({ ...request, timeoutMs: 300, graceMs: 50 }, NEVER);
    expect(await end).toEqual({
      succeeded: false,
      how: 'it did not end within 0.3 s',
      output: 'begun',
    });
    const child = Number(readFileSync(pid, 'utf8'));
    await expect.poll(() => isAlive(child), { timeout: 5_000 }).toBe(false);
  });

  test('are cancelled', async () => {
    const begun = join(folder.path, 'begun');
    const abort = new AbortController();
    const end = run([script('waits.sh', `touch ${begun}; sleep 1000`)], LONG_MS, abort.signal);
    await expect.poll(() => existsSync(begun), { timeout: 5_000 }).toBe(true);
    abort.abort();
    expect(await end).toMatchObject({ succeeded: false, how: 'it was cancelled' });
    const before = AbortSignal.abort();
    expect(await run(['waits.sh'], LONG_MS, before)).toMatchObject({ succeeded: false });
  });

  test('that leave something running hold nobody', async () => {
    const pid = join(folder.path, 'daemon.pid');
    const name = script('daemon.sh', `sleep 1000 & echo $! > ${pid}; echo started`);
    expect(await run([name])).toMatchObject({ succeeded: true, output: 'started' });
    process.kill(Number(readFileSync(pid, 'utf8')), 'SIGKILL');
  });

  test.each([
    ['../bin/sh', 'INVALID_INPUT'],
    ['/bin/sh', 'INVALID_INPUT'],
    ['.hidden', 'INVALID_INPUT'],
    ['', 'INVALID_INPUT'],
    ['sh', 'NOT_FOUND'],
    ['plain.txt', 'NOT_FOUND'],
    ['folder', 'NOT_FOUND'],
  ])('%j is none of the folder', async (name, code) => {
    expect(() => hooks.check({ kind: 'exec', argv: [name] })).toThrow(
      expect.objectContaining({
        code,
        details: {
          field: 'hook.argv',
          value: name,
          expected: expect.stringContaining(folder.path),
        },
      }),
    );
    expect(await run([name])).toMatchObject({ succeeded: false });
  });
});

function isAlive(pid: number): boolean {
  try {
    // A zombie that nobody reaps is dead enough.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe('calls', () => {
  let server: Server;
  let url: string;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  const got: {
    method: string | undefined;
    url: string | undefined;
    authorization: string | undefined;
    body: string;
  }[] = [];
  const hooks = new ServiceHooks('/nowhere');
  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (piece: Buffer) => {
        body += piece.toString();
      });
      request.on('end', () => {
        const { method, url: path, headers } = request;
        got.push({ method, url: path, authorization: headers.authorization, body });
        answer(request, response);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    got.length = 0;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const run = (
    path: string,
    more: { token?: string; timeoutMs?: number; signal?: AbortSignal } = {},
  ) => {
    const { token, timeoutMs = LONG_MS, signal = NEVER } = more;
    const facts = { ROOTCAST_MOMENT: 'before-snapshot', ROOTCAST_VOLUMES: 'san1/db san1/log' };
    const action = { kind: 'webhook', url: `${url}${path}` } as const;
    return hooks.run({ action, timeoutMs, facts, token }, signal);
  };

  test('post JSON, with a token if there is one', async () => {
    answer = (_request, response) => response.end('thanks');
    expect(await run('/x', { token: 'sesame' })).toEqual({
      succeeded: true,
      how: 'HTTP 200',
      output: 'thanks',
    });
    await run('/y');
    expect(
      got.map(({ method, url: path, authorization }) => [method, path, authorization]),
    ).toEqual([
      ['POST', '/x', 'Bearer sesame'],
      ['POST', '/y', undefined],
    ]);
    expect(JSON.parse(got[0]?.body ?? '')).toEqual({
      moment: 'before-snapshot',
      volumes: ['san1/db', 'san1/log'],
    });
  });

  test('fail with the status that is answered', async () => {
    answer = (_request, response) => response.writeHead(503).end('not now');
    expect(await run('/')).toEqual({ succeeded: false, how: 'HTTP 503', output: 'not now' });
  });

  test('are sent on within the server only, as what they are, and not for ever', async () => {
    const to = (status: number, location: string) => {
      answer = ({ url: path }, response) => {
        if (path === '/there') response.end('here');
        else response.writeHead(status, { location }).end();
      };
    };
    to(307, '/there');
    expect(await run('/', { token: 'sesame' })).toMatchObject({ succeeded: true, output: 'here' });
    expect(got.at(-1)).toMatchObject({ method: 'POST', authorization: 'Bearer sesame' });
    to(302, '/there');
    expect(await run('/')).toMatchObject({ succeeded: false, how: expect.stringContaining('302') });
    got.length = 0;
    to(308, url.replace('127.0.0.1', 'localhost'));
    expect(await run('/')).toMatchObject({
      succeeded: false,
      how: expect.stringContaining('another server'),
    });
    expect(got).toHaveLength(1);
    to(307, '/again');
    expect(await run('/')).toMatchObject({ how: expect.stringContaining('more than 3 times') });
  });

  test('of an answer that is too long the beginning is kept', async () => {
    answer = (_request, response) => response.end('x'.repeat(5 * HOOK_OUTPUT_BYTES));
    const { succeeded, output } = await run('/');
    expect(succeeded).toBe(true);
    expect(output.length).toBeLessThan(HOOK_OUTPUT_BYTES + 100);
  });

  test('that are not answered end at their time, or are cancelled', async () => {
    answer = () => undefined;
    expect(await run('/', { timeoutMs: 100 })).toEqual({
      succeeded: false,
      how: 'it was not answered within 0.1 s',
      output: '',
    });
    const abort = new AbortController();
    answer = () => abort.abort();
    expect(await run('/', { signal: abort.signal })).toMatchObject({ how: 'it was cancelled' });
  });

  test('to nobody say so', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.once('listening', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const action = { kind: 'webhook', url: `http://127.0.0.1:${port}/` } as const;
    const call = { action, timeoutMs: LONG_MS, facts: {}, token: undefined };
    expect(await hooks.run(call, NEVER)).toMatchObject({
      succeeded: false,
      how: expect.stringContaining('could not be called'),
    });
  });
});
