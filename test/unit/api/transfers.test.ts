/** Streams in and out, over real sockets: what a client sees, and what is left when it goes away. */
import { once } from 'node:events';
import {
  type ClientRequest,
  createServer,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { limitBodyTime } from '../../../src/api/body-time.ts';
import { buildApi } from '../../../src/api/index.ts';
import { listTasks, listVdisks } from '../../../src/control/index.ts';
import { Fault } from '../../../src/errors/index.ts';
import { type FakeService, fakeService, withVdisk } from '../control/support/fake-service.ts';

const TOKEN = 'a-token-of-tests';
const BYTES = 'application/octet-stream';

let service: FakeService;
let app: FastifyInstance;
let server: URL;
beforeEach(async () => {
  service = fakeService();
  await withVdisk(service);
  app = buildApi({ control: service.control, token: TOKEN });
  server = new URL(await app.listen({ port: 0, host: '127.0.0.1' }));
});
afterEach(() => app.close());

function open(method: string, path: string, headers: Record<string, string> = {}): ClientRequest {
  const { hostname, port } = server;
  const request = httpRequest({
    ...{ hostname, port, method, path: `/v1${path}`, agent: false },
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
  });
  request.on('error', () => undefined); // what it means is seen by what comes
  return request;
}

async function answerOf(request: ClientRequest) {
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const body = await buffer(response).catch(() => undefined);
  const isJson = String(response.headers['content-type']).includes('json');
  return {
    status: response.statusCode,
    headers: response.headers,
    body,
    json: isJson && body?.length ? JSON.parse(String(body)) : undefined,
  };
}

const get = (path: string) => answerOf(open('GET', path).end());

/** Sends all of a body at once. */
const post = (path: string, body: string | Buffer, type: string) =>
  answerOf(open('POST', path, { 'content-type': type }).end(body));

describe('an image that is taken away', () => {
  const path = '/vdisks/debian/versions/1/content?format=vhd&compress=false';

  test('has a length and a name, and is closed at its end', async () => {
    const { status, headers, body } = await get(path);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': BYTES,
      'content-length': '8',
      'content-disposition': 'attachment; filename="debian-1.vhd"',
    });
    expect(String(body)).toBe('an image');
    await expect.poll(() => service.transfers.open).toBe(0);
    expect(service.transfers.exported).toMatchObject([{ format: 'vhd', compress: false }]);
  });

  test('is closed when the client goes away in the middle', async () => {
    const ended = Promise.withResolvers<string>();
    service.transfers.exportStream = async (_request, signal) => ({
      length: 1_000_000_000,
      pieces: (async function* () {
        try {
          for (;;) {
            yield Buffer.alloc(1000);
            signal.throwIfAborted();
          }
        } finally {
          ended.resolve('ended');
        }
      })(),
      close: async () => ended.resolve('closed without being read'),
    });
    const request = open('GET', path).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    await once(response, 'data');
    request.destroy();
    expect(await ended.promise).toBe('ended');
  });

  test('is given up when the client goes away before it is there', async () => {
    const asked = Promise.withResolvers<AbortSignal>();
    service.transfers.exportStream = (_request, signal) => {
      asked.resolve(signal);
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Fault('CANCELLED', 'cancelled')));
      });
    };
    const request = open('GET', path).end();
    const signal = await asked.promise;
    request.destroy();
    await expect.poll(() => signal.aborted).toBe(true);
  });

  test('that cannot be made is a problem; one that fails on its way breaks off', async () => {
    service.transfers.fail = new Fault('UNAVAILABLE', 'the disk is away');
    expect(await get(path)).toMatchObject({ status: 503, json: { code: 'UNAVAILABLE' } });
    service.transfers.fail = undefined;
    service.transfers.exportStream = async () => ({
      length: 8,
      pieces: (async function* () {
        yield Buffer.from('an ');
        throw new Fault('UNAVAILABLE', 'the disk is away');
      })(),
      close: async () => undefined,
    });
    expect(await get(path)).toMatchObject({ status: 200, body: undefined });
  });

  test('is not made to say how long it would be', async () => {
    const head = await answerOf(open('HEAD', path).end());
    expect(head.status).toBe(404);
    expect(service.transfers.exported).toEqual([]);
  });

  test('is refused for questions that make no sense', async () => {
    for (const query of ['', '?format=iso', '?format=raw&extra=1', '?format=vhd&parent=0']) {
      const answer = await get(`/vdisks/debian/versions/1/content${query}`);
      expect(answer).toMatchObject({ status: 400, json: { code: 'INVALID_INPUT' } });
    }
  });
});

describe('an image that is brought', () => {
  const path = '/vdisks/upload?name=other&format=raw';

  test('is a task that goes on', async () => {
    const { status, headers, json } = await post(path, 'an image', BYTES);
    expect(status).toBe(202);
    expect(headers['location']).toBe(`/v1/tasks/${json.id}`);
    await service.control.tasks.settled(json.id);
    expect(listVdisks(service.control).map(({ name }) => name)).toEqual(['debian', 'other']);
  });

  test('that is not wanted is never sent by a client that asks', async () => {
    const refused = open('POST', '/vdisks/upload?name=debian', {
      ...{ 'content-type': BYTES, 'content-length': '1000000000000', expect: '100-continue' },
    });
    let told = false;
    refused.on('continue', () => {
      told = true;
    });
    refused.flushHeaders();
    expect(await answerOf(refused)).toMatchObject({
      status: 409,
      json: { code: 'ALREADY_EXISTS' },
    });
    expect(told).toBe(false);
    refused.destroy();
    const wanted = open('POST', path, { 'content-type': BYTES, expect: '100-continue' });
    wanted.on('continue', () => wanted.end('an image'));
    wanted.flushHeaders();
    expect((await answerOf(wanted)).status).toBe(202);
  });

  test.each(['keep-alive', 'close'])(
    'that is refused while it comes is answered all the same (%s)',
    async (connection) => {
      service.transfers.spool = async ({ pieces }) => {
        for await (const _piece of pieces) break;
        throw new Fault('NO_SPACE', 'the data folder is full');
      };
      for (let round = 0; round < 10; round += 1) {
        const request = open('POST', path, { 'content-type': BYTES, connection });
        const answer = answerOf(request);
        let isAnswered = false;
        const stop = answer.finally(() => {
          isAnswered = true;
        });
        while (!isAnswered) {
          if (request.write(Buffer.alloc(100_000))) await new Promise(setImmediate);
          else await Promise.race([once(request, 'drain'), stop]);
        }
        expect(await answer).toMatchObject({ status: 507, json: { code: 'NO_SPACE' } });
        request.destroy();
      }
    },
  );

  test('is nothing when the client goes away', async () => {
    const begun = Promise.withResolvers<void>();
    const { spool } = service.transfers;
    service.transfers.spool = (incoming, progress) =>
      spool.call(service.transfers, incoming, (bytes) => {
        progress(bytes);
        begun.resolve();
      });
    const request = open('POST', path, { 'content-type': BYTES, 'content-length': '1000' });
    request.write('half');
    await begun.promise;
    request.destroy();
    const task = () => listTasks(service.control).find(({ subject }) => subject === 'vdisk/other');
    await expect.poll(() => task()?.state).toBe('cancelled');
    expect(task()?.message).toContain('went away');
    expect(service.transfers.spooled.size).toBe(0);
  });

  test('must say that it is bytes', async () => {
    for (const type of ['application/json', 'text/plain']) {
      const answer = await post(path, '{}', type);
      expect(answer).toMatchObject({ status: 415, json: { expected: BYTES } });
    }
    expect(service.transfers.spooled.size).toBe(0);
  });

  test('needs the token before anything is read', async () => {
    const request = open('POST', path, { 'content-type': BYTES, authorization: 'Bearer wrong' });
    request.write('half');
    expect((await answerOf(request)).status).toBe(401);
    request.destroy();
  });
});

describe('bundles', () => {
  test('are taken with and without what the receiver has', async () => {
    const plain = await get('/vdisks/debian/bundle?versions=1');
    expect(plain).toMatchObject({
      status: 200,
      headers: { 'content-type': BYTES, 'transfer-encoding': 'chunked' },
    });
    expect(plain.headers['content-disposition']).toContain('debian.rcb');
    expect(String(plain.body)).toBe('a bundle');
    const inventory = await get('/inventory');
    expect(inventory.json).toEqual({ contentIds: ['ab'.repeat(32)] });
    await post('/vdisks/debian/bundle?chunks=none', String(inventory.body), 'application/json');
    expect(service.transfers.bundled).toMatchObject([
      { has: new Set(), chunks: 'lacking', versions: [{ number: 1 }] },
      { has: new Set(['ab'.repeat(32)]), chunks: 'none' },
    ]);
    await expect.poll(() => service.transfers.open).toBe(0);
  });

  test('are brought, and answered when all of it is here', async () => {
    const { status, json } = await post('/bundles?name=copy&update=true', 'a bundle', BYTES);
    expect(status).toBe(200);
    expect(json).toMatchObject({ state: 'succeeded', result: { added: [1, 2] } });
    const again = await post('/bundles?name=copy', 'a bundle', BYTES);
    expect(again).toMatchObject({ status: 409, json: { code: 'ALREADY_EXISTS' } });
  });

  test('are shown by what they begin with', async () => {
    const { status, json } = await post('/bundles/show', 'the beginning', BYTES);
    expect({ status, name: json.name }).toEqual({ status: 200, name: 'debian' });
    expect((await get('/bundles?path=/b.rcb')).json.versions).toHaveLength(2);
    expect((await get('/bundles?path=b.rcb')).status).toBe(400);
  });

  test('have chunks that are asked for by their hashes', async () => {
    const hashes = Buffer.alloc(36, 7);
    const { status, body } = await post('/chunks?vdisk=debian&versions=1', hashes, BYTES);
    expect({ status, body: String(body) }).toEqual({ status: 200, body: 'chunks' });
    expect(service.transfers.asked).toEqual([{ request: hashes, layerIds: ['layer-1'] }]);
    const tooMany = await post('/chunks?vdisk=debian', Buffer.alloc(200_000), BYTES);
    expect(tooMany).toMatchObject({ status: 413, json: { code: 'LIMIT_EXCEEDED' } });
  });

  test('that are pulled never show the token, not even one that is wrong', async () => {
    const secret = 'a secret with spaces';
    const input = { from: 'https://rack-2', vdisk: 'debian', token: secret };
    const answer = await post('/bundles/pull', JSON.stringify(input), 'application/json');
    expect(answer).toMatchObject({ status: 400, json: { field: 'token' } });
    expect(String(answer.body)).not.toContain(secret);
    const right = { ...input, name: 'copy', token: 'secret' };
    const { status, body } = await post(
      ...(['/bundles/pull', JSON.stringify(right), 'application/json'] as const),
    );
    expect(status).toBe(202);
    expect(String(body)).not.toContain('secret');
  });
});

test('an ordinary body that does not come in time is cut off', async () => {
  const slow = createServer((request) => limitBodyTime(request, 1));
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  const { port } = slow.address() as { port: number };
  const request = httpRequest({ port, method: 'POST', headers: { 'content-length': '10' } });
  request.write('half');
  const [error] = (await once(request, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNRESET');
  slow.close();
});
