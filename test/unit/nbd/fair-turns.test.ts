/** One machine that floods the server does not make the others wait until it is done. */
import { afterEach, expect, it, vi } from 'vitest';
import { createNbdServer, type NbdServer, singleExport } from '../../../src/nbd/index.ts';
import { TURN_REQUESTS } from '../../../src/nbd/limits.ts';
import { NBD_CMD_READ } from '../../../src/nbd/wire/constants.ts';
import { COMPACT_REQUEST_SIZE, writeRequest } from '../../../src/nbd/wire/index.ts';
import { FakeDevice } from './fake-device.ts';
import { RawClient } from './raw-client.ts';

const REQUESTS = 4000;
const LENGTH = 512;

let server: NbdServer;
let stopped = false;
afterEach(async () => {
  stopped = true;
  await server.close();
});

function requests(count: number): Buffer {
  const bytes = Buffer.alloc(count * COMPACT_REQUEST_SIZE);
  for (let cookieLow = 0; cookieLow < count; cookieLow += 1) {
    const fields = { flags: 0, type: NBD_CMD_READ, cookieHigh: 0, offset: 0, length: LENGTH };
    writeRequest(bytes, cookieLow * COMPACT_REQUEST_SIZE, { ...fields, cookieLow });
  }
  return bytes;
}

it('executes a bounded number of its requests between two rounds of the event loop', async () => {
  const device = new FakeDevice(4096);
  let inRound = 0;
  let most = 0;
  device.before = () => {
    inRound += 1;
    most = Math.max(most, inRound);
    return undefined;
  };
  const endRound = (): void => {
    inRound = 0;
    if (!stopped) setImmediate(endRound);
  };
  server = createNbdServer({ exports: singleExport('disk', device) });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  if (address === undefined || !('port' in address)) throw new Error('no port');
  const flood = await RawClient.open(address.port);
  await flood.go();
  endRound();

  flood.socket.write(requests(REQUESTS));
  for (let cookie = 0; cookie < REQUESTS; cookie += 1) {
    expect(await flood.simple()).toEqual({ error: 0, cookie });
    await flood.take(LENGTH);
  }

  // One turn when its bytes arrive, one when it goes on.
  expect(most).toBeLessThanOrEqual(2 * TURN_REQUESTS);
  expect(most).toBeGreaterThanOrEqual(TURN_REQUESTS);
  flood.close();
});

it('is woken once a round, however many of its requests have finished meanwhile', async () => {
  const device = new FakeDevice(4096);
  device.before = () => Promise.resolve();
  server = createNbdServer({ exports: singleExport('disk', device) });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  if (address === undefined || !('port' in address)) throw new Error('no port');
  const flood = await RawClient.open(address.port);
  await flood.go();

  const wakes = vi.spyOn(globalThis, 'setImmediate');
  flood.socket.write(requests(REQUESTS));
  for (let cookie = 0; cookie < REQUESTS; cookie += 1) {
    await flood.simple();
    await flood.take(LENGTH);
  }
  expect(wakes.mock.calls.length).toBeLessThan(REQUESTS / 10);
  wakes.mockRestore();
  flood.close();
});
