import { createServer, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ClientGone, RequestBody } from '../../../../src/xenapi/http/request-body.ts';

let taken: PromiseWithResolvers<IncomingMessage>;
const server = createServer((request) => taken.resolve(request));
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => {
  server.closeAllConnections();
  return new Promise<void>((resolve) => server.close(() => resolve()));
});

async function requestWith(sent: Buffer, length: number): Promise<IncomingMessage> {
  taken = Promise.withResolvers();
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  const socket = connect({ host: '127.0.0.1', port: address.port });
  socket.write(`PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`);
  socket.end(sent);
  return taken.promise;
}

const options = { idleMs: 10_000, signal: new AbortController().signal };

it('hands out what had come before the client broke off, however late it is asked', async () => {
  const sent = Buffer.alloc(40_000, 'sent ');
  const request = await requestWith(sent, 10 ** 15);
  request.on('error', () => undefined);
  const body = new RequestBody(request, options);
  await new Promise<void>((resolve) => {
    request.once('close', resolve);
  });
  const pieces: Buffer[] = [];
  const reading = (async () => {
    for await (const piece of body) pieces.push(piece);
  })();
  await expect(reading).rejects.toBeInstanceOf(ClientGone);
  expect(Buffer.concat(pieces)).toEqual(sent);
});

it('ends where the body does', async () => {
  const sent = Buffer.alloc(300_000, 'sent ');
  const body = new RequestBody(await requestWith(sent, sent.length), options);
  expect(await body.begins()).toBe(true);
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece);
  expect(Buffer.concat(pieces)).toEqual(sent);
  const empty = new RequestBody(await requestWith(Buffer.alloc(0), 0), options);
  expect(await empty.begins()).toBe(false);
});
