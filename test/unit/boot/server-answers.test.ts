/** What an initramfs makes of the boot server's answers: boot/lib/rootcast-http.sh and rootcast-identity.sh, by bash and sh. */
import { createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { run as runProgram } from '../../support/run-program.ts';

const LIB = fileURLToPath(new URL('../../../boot/lib', import.meta.url));

/** Raw answers, the last for all that come after; by the path asked for. */
let answers: string[] = [];
let asked: string[] = [];
let server: Server;
let url = '';

beforeAll(async () => {
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (head) => {
      asked.push(head.toString('latin1').split('\r\n')[0] ?? '');
      socket.end((answers.length > 1 ? answers.shift() : answers[0]) ?? '');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}/boot`;
});

afterAll(() => new Promise((resolve) => server.close(resolve)));

beforeEach(() => {
  asked = [];
});

function answer(code: number, body: string, length = Buffer.byteLength(body)): string {
  return `HTTP/1.1 ${code} Said\r\ncontent-type: text/plain\r\nContent-Length: ${length}\r\n\r\n${body}`;
}

interface Ended {
  readonly code: number | null;
  readonly said: string;
}

async function run(program: string, ...args: readonly string[]): Promise<Ended> {
  const { code, stdout, stderr } = await runProgram(program, args);
  return { code, said: stdout + stderr };
}

describe('rootcast-http.sh', () => {
  const get = (): Promise<Ended> => run('bash', `${LIB}/rootcast-http.sh`, 'GET', `${url}/x`);

  test.each([
    ['a success', answer(200, "A='1'\nB='ä'\n"), { code: 0, said: "A='1'\nB='ä'\n" }],
    ['a last line without an end', answer(200, 'a\nb'), { code: 0, said: 'a\nb' }],
    ['nothing to say', answer(204, ''), { code: 0, said: '' }],
    ['a refusal', answer(403, 'another address\n'), { code: 2, said: 'another address\n' }],
    ['no such machine', answer(404, 'no'), { code: 2, said: 'no' }],
    ['too many', answer(429, ''), { code: 1, said: '' }],
    ['an error', answer(503, 'later\n'), { code: 1, said: 'later\n' }],
    ['an answer that breaks off', answer(200, 'half', 400), { code: 1, said: 'half' }],
    ['no HTTP at all', '', { code: 1, said: '' }],
  ])('%s', async (_what, raw, expected) => {
    answers = [raw];
    expect(await get()).toEqual(expected);
  });

  test('nobody there', async () => {
    const { code } = await run('bash', `${LIB}/rootcast-http.sh`, 'GET', 'http://127.0.0.1:1/x');
    expect(code).toBe(1);
  });
});

describe('rootcast-identity.sh', () => {
  const ask = (): Promise<Ended> =>
    run(
      'sh',
      '-c',
      `. ${LIB}/rootcast-identity.sh
ROOTCAST_IDENTITY_SECONDS=0 ROOTCAST_LIB=${LIB} ROOTCAST_URL=${url}
rootcast_ask 'identity?mac=1'`,
    );

  test('asks again while the server cannot answer, and takes nothing of what it said before', async () => {
    answers = [answer(503, 'rm -rf /\n'), answer(200, 'half', 400), answer(200, "A='1'\n")];
    expect(await ask()).toEqual({ code: 0, said: "A='1'\n" });
    expect(asked).toHaveLength(3);
  });

  test('gives up after some tries', async () => {
    answers = [answer(500, '')];
    expect((await ask()).code).toBe(1);
    expect(asked).toHaveLength(5);
  });

  test('takes a refusal at its word, once, and says on the console why', async () => {
    answers = [answer(403, 'it was given to 10.0.0.7\n')];
    expect(await ask()).toEqual({ code: 2, said: 'it was given to 10.0.0.7\n' });
    expect(asked).toEqual(['GET /boot/identity?mac=1 HTTP/1.0']);
    asked = [];
    const { said, code } = await run(
      'sh',
      '-c',
      `. ${LIB}/rootcast-identity.sh
rootcast_say() { echo "console: $1"; }
rootcast_cache_arguments() { ROOTCAST_URL=${url} ROOTCAST_MAC=1; }
rootcast_mounted() { :; }
ROOTCAST_IDENTITY_SECONDS=0 ROOTCAST_LIB=${LIB}
rootcast_identity /nowhere`,
    );
    expect(code).toBe(1);
    expect(said).toBe(
      'console: the server refuses to say who this machine is (it was given to 10.0.0.7): it has the name and the keys of its image\n',
    );
    expect(asked).toHaveLength(1);
  });

  test('tells that the root is mounted', async () => {
    answers = [answer(204, '')];
    const { code } = await run(
      'sh',
      '-c',
      `. ${LIB}/rootcast-identity.sh
ROOTCAST_LIB=${LIB} ROOTCAST_URL=${url} ROOTCAST_MAC=52:54:00:00:00:01
rootcast_mounted`,
    );
    expect(code).toBe(0);
    expect(asked).toEqual(['POST /boot/stage?mac=52:54:00:00:00:01&stage=root-mounted HTTP/1.0']);
  });
});
