/** A request that is refused costs a reply, so a client that never reads is stopped by these as well. */
import { afterEach, expect, it } from 'vitest';
import { createNbdServer, type NbdServer, singleExport } from '../../../src/nbd/index.ts';
import { COMPACT_REQUEST_SIZE, writeRequest } from '../../../src/nbd/wire/index.ts';
import { eventLoopTurns } from '../../support/content.ts';
import { FakeDevice } from './fake-device.ts';
import { RawClient } from './raw-client.ts';

const MIB = 1024 * 1024;
const AT_ONCE = 10_000;
const ROUNDS = 60;

let server: NbdServer;
afterEach(() => server.close());

it.each([
  ['commands that do not exist', 99, 0],
  ['writes beyond the end', 1, 4],
])('%s cost bounded memory, and are answered once their client reads', async (_, type, length) => {
  const exports = singleExport('disk', new FakeDevice(MIB));
  server = createNbdServer({ exports, limits: { unsentBytes: MIB } });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  if (address === undefined || !('port' in address)) throw new Error('no port');
  const client = await RawClient.open(address.port);
  await client.go();
  client.socket.pause();
  const one = Buffer.alloc(COMPACT_REQUEST_SIZE + length);
  const cookies = { cookieHigh: 0, cookieLow: 1 };
  writeRequest(one, 0, { flags: 0, type, ...cookies, offset: 2 * MIB, length });
  const many = Buffer.concat(Array.from({ length: AT_ONCE }, () => one));
  for (let round = 0; round < ROUNDS; round += 1) client.send(many);

  const requests = (): number => server.connections()[0]?.counters.requests ?? 0;
  let most = 0;
  for (let before = -1; before !== requests(); ) {
    before = requests();
    await eventLoopTurns(300);
    most = Math.max(most, server.connections()[0]?.unsentBytes ?? 0);
  }
  expect(most).toBeLessThan(1.5 * MIB);
  expect(requests()).toBeLessThan(AT_ONCE * ROUNDS);

  // Not by way of RawClient, which joins what it has at each piece that arrives.
  let received = 0;
  client.socket.removeAllListeners('data');
  client.socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  client.socket.resume();
  while (received < 16 * AT_ONCE * ROUNDS) await eventLoopTurns(1);
  expect(requests()).toBe(AT_ONCE * ROUNDS);
  client.close();
});
