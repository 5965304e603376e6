/** What the CLI sends, and what becomes of its source when the server has had enough. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StreamClient } from '../../../src/cli/stream-client.ts';

let server: Server;
let client: StreamClient;

/** Answers as soon as something of the body is there. */
beforeEach(async () => {
  server = createServer();
  server.on('checkContinue', (request, response) => {
    response.writeContinue();
    request.once('data', () => response.end('{"had":"enough"}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  client = new StreamClient(`http://127.0.0.1:${port}`, 'token', 'user');
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const send = (pieces: AsyncIterable<Buffer>): Promise<object> =>
  client.upload('/files', { pieces, length: undefined }, new AbortController().signal);

test('a source that was not read to its end is told so: a file would stay open', async () => {
  const ended = Promise.withResolvers<void>();
  async function* file(): AsyncGenerator<Buffer> {
    try {
      for (;;) yield Buffer.alloc(64 * 1024);
    } finally {
      ended.resolve();
    }
  }
  expect(await send(file())).toEqual({ had: 'enough' });
  await ended.promise;
});

test('one that gives nothing any more keeps the answer from nobody', async () => {
  const more = Promise.withResolvers<void>();
  async function* pipe(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(1024);
    await more.promise;
  }
  expect(await send(pipe())).toEqual({ had: 'enough' });
  more.resolve();
});
