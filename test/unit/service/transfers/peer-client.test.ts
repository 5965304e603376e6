/** Another server as it may answer: well, badly, slowly, half, or not at all. */

import { readdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import { PEER_ATTEMPTS, PEER_PROBLEM_BYTES_MAX } from '../../../../src/service/transfers/limits.ts';
import { PeerBundle } from '../../../../src/service/transfers/peer-bundle.ts';
import { PeerClient } from '../../../../src/service/transfers/peer-client.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const TOKEN = 'a-secret-of-the-other-server';

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

let server: Server;
let url: string;
let handle: Handler;
let requests: { path: string | undefined; headers: IncomingMessage['headers']; body: Buffer }[];
beforeEach(async () => {
  requests = [];
  server = createServer((request, response) => {
    void buffer(request).then((body) => {
      requests.push({ path: request.url, headers: request.headers, body });
      handle(request, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  url = `http://127.0.0.1:${address.port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const never = new AbortController().signal;
const body = { type: 'application/json', bytes: Buffer.from('{}') } as const;
const client = (more: { readonly idleMs?: number } = {}): PeerClient =>
  new PeerClient({ url, token: TOKEN, user: 'server rack-1', ...more });

async function taken(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

async function refused(peer = client(), signal = never): Promise<Fault> {
  const error: unknown = await taken(peer.post('/x', body, signal)).catch((reason) => reason);
  if (!(error instanceof Fault)) throw new Error('it was not refused', { cause: error });
  const { message, details, cause } = error;
  expect(JSON.stringify([message, details, String(cause)])).not.toContain(TOKEN);
  return error;
}

/** Where nobody listens any more. */
async function nowhere(): Promise<string> {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const address = other.address();
  await new Promise((resolve) => other.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('it did not listen');
  return `http://127.0.0.1:${address.port}`;
}

const problem =
  (status: number, problem: object): Handler =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify(problem));
  };

describe('another server', () => {
  test('is asked with its token and for whom, and what comes is counted', async () => {
    handle = (_request, response) => response.end('what was asked for');
    const peer = client();
    expect(peer.hasAnswered).toBe(false);
    expect(String(await taken(peer.post('/x?y=1', body, never)))).toBe('what was asked for');
    expect(requests).toMatchObject([
      {
        path: '/v1/x?y=1',
        headers: {
          authorization: `Bearer ${TOKEN}`,
          'content-type': 'application/json',
          'x-rootcast-user': 'server rack-1',
        },
        body: Buffer.from('{}'),
      },
    ]);
    expect(peer).toMatchObject({ hasAnswered: true, bytesReceived: 18 });
  });

  test('is not left waiting by somebody who has had enough', async () => {
    const closed = Promise.withResolvers<void>();
    handle = (_request, response) => {
      response.on('close', closed.resolve);
      response.write('the first of many');
    };
    for await (const piece of client().post('/x', body, never)) {
      expect(String(piece)).toBe('the first of many');
      break;
    }
    await closed.promise;
  });

  test.each([
    [404, 'NOT_FOUND', 'there is no vDisk x', 'NOT_FOUND'],
    [409, 'IN_USE', 'it is in maintenance', 'IN_USE'],
    [503, 'UNAVAILABLE', 'stopping', 'UNAVAILABLE'],
    [500, undefined, undefined, 'UNAVAILABLE'],
    [400, 'NO_SUCH_CODE', undefined, 'INVALID_INPUT'],
  ])('says why it refuses (%i)', async (status, said, detail, code) => {
    handle = problem(status, { code: said, detail, expected: 'seal it' });
    const fault = await refused();
    expect(fault.code).toBe(code);
    expect(fault.message).toContain(detail ?? String(status));
    expect(fault.details).toEqual({ field: 'from', value: url, expected: 'seal it' });
  });

  test('that does not take the token is told so, without it', async () => {
    handle = problem(401, { code: 'UNAUTHORIZED', detail: TOKEN });
    expect(await refused()).toMatchObject({
      code: 'PERMISSION_DENIED',
      details: { field: 'token' },
    });
  });

  test('that refuses with the longest of all explanations is not listened to for ever', async () => {
    handle = (_request, response) => {
      response.writeHead(500);
      const write = (): void => {
        while (response.writable && response.write('x'.repeat(10_000)));
        response.once('drain', write);
      };
      write();
    };
    expect((await refused()).message.length).toBeLessThan(PEER_PROBLEM_BYTES_MAX);
  });

  test('gets the token to no other place', async () => {
    handle = (_request, response) => {
      response.writeHead(307, { location: `${url}/elsewhere` });
      response.end();
    };
    expect(await refused()).toMatchObject({ code: 'UNAVAILABLE' });
    expect(requests).toHaveLength(1);
  });

  test('that is not there, breaks off or falls silent is unavailable', async () => {
    handle = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half');
      setImmediate(() => response.destroy());
    };
    expect(await refused()).toMatchObject({ code: 'UNAVAILABLE' });
    handle = (_request, response) => void response.write('half');
    expect((await refused(client({ idleMs: 20 }))).message).toContain('has sent nothing');
    handle = () => undefined;
    expect((await refused(client({ idleMs: 20 }))).message).toContain('has sent nothing');
    const gone = new PeerClient({ url: await nowhere(), token: TOKEN, user: 'x' });
    expect((await refused(gone)).message).toContain('ECONNREFUSED');
    expect(gone.hasAnswered).toBe(false);
  });

  test('is not asked any more when it is cancelled', async () => {
    const abort = new AbortController();
    handle = () => abort.abort();
    expect(await refused(client(), abort.signal)).toMatchObject({ code: 'CANCELLED' });
  });
});

describe('a description that is fetched', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeEach(async () => {
    folder = await temporaryFolder('peer');
  });
  afterEach(() => folder.remove());

  const bundle = (peer = client(), signal = never): PeerBundle =>
    new PeerBundle({
      client: peer,
      origin: {
        ...{ kind: 'server', url, token: TOKEN, vdisk: 'debian' },
        ...{ versions: [1, 2], has: new Set(['aa']) },
      },
      ...{ temporaryFolder: folder.path, signal, retryMs: 0 },
    });

  test('is begun anew where it breaks off', async () => {
    handle = (_request, response) => {
      if (requests.length === 3) response.end('all of it');
      else {
        response.writeHead(200, { 'content-length': '100' });
        response.write('half');
        setImmediate(() => response.destroy());
      }
    };
    const file = await bundle().description();
    expect(file.bytes).toBe(9);
    expect(requests).toHaveLength(3);
    expect(requests[0]?.path).toBe('/v1/vdisks/debian/bundle?chunks=none&versions=1%2C2');
    expect(JSON.parse(String(requests[0]?.body))).toEqual({ contentIds: ['aa'] });
    await file.remove();
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('is given up after so many attempts, and nothing of it stays', async () => {
    handle = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half');
      setImmediate(() => response.destroy());
    };
    await expect(bundle().description()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(requests).toHaveLength(PEER_ATTEMPTS);
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('is not asked for again where the server says no, or is none', async () => {
    handle = problem(404, { code: 'NOT_FOUND', detail: 'there is no vDisk debian' });
    await expect(bundle().description()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(requests).toHaveLength(1);
    const gone = new PeerClient({ url: await nowhere(), token: TOKEN, user: 'x' });
    await expect(bundle(gone).description()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('is given up while it waits for the next attempt', async () => {
    const abort = new AbortController();
    const peer = client();
    handle = (_request, response) => response.end('x');
    await taken(peer.post('/x', body, never));
    const broken = new Fault('UNAVAILABLE', 'broke off');
    const waiting = new PeerBundle({
      client: peer,
      origin: {
        ...{ kind: 'server', url, token: TOKEN, vdisk: 'debian' },
        ...{ versions: undefined, has: new Set<string>() },
      },
      ...{ temporaryFolder: folder.path, signal: abort.signal, retryMs: 1_000_000 },
    }).retry(broken, 1);
    abort.abort();
    await expect(waiting).rejects.toBe(broken);
  });
});
