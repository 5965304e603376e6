/** Writes whose batch is committed late: nothing is answered before, and nothing is lost or kept after. */
import { afterEach, expect, it } from 'vitest';
import { createNbdServer, type NbdServer, singleExport } from '../../../src/nbd/index.ts';
import { NBD_CMD_DISC, NBD_CMD_READ, NBD_CMD_WRITE } from '../../../src/nbd/wire/constants.ts';
import { eventLoopTurns } from '../../support/content.ts';
import { FakeDevice, gate } from './fake-device.ts';
import { RawClient } from './raw-client.ts';

const MIB = 1024 * 1024;
let server: NbdServer;

afterEach(() => server.close());

/** A client of a device whose batched writes are over when `held` says so. */
async function serve(held: Promise<void>): Promise<{ device: FakeDevice; client: RawClient }> {
  const device = new FakeDevice(4 * MIB);
  const { inner } = device;
  inner.write(Buffer.alloc(MIB, 1), 0, { fua: false });
  device.write = (source, offset, options) => {
    options.batch?.join(() => held);
    device.calls.push('write');
    return inner.write(source, offset, options);
  };
  server = createNbdServer({ exports: singleExport('disk', device) });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  if (address === undefined || !('port' in address)) throw new Error('no port');
  const client = await RawClient.open(address.port);
  await client.go();
  client.socket.cork();
  return { device, client };
}

async function written(device: FakeDevice): Promise<void> {
  while (!device.calls.includes('write')) await eventLoopTurns(1);
  await eventLoopTurns(20);
}

it('gives back what was lent for the replies when the connection is gone first', async () => {
  const held = gate();
  const { device, client } = await serve(held.promise);
  client.request(NBD_CMD_READ, 0, MIB / 2);
  client.request(NBD_CMD_WRITE, 0, 512, { payload: Buffer.alloc(512) });
  client.socket.uncork();
  await written(device);
  expect(device.loans).toBe(1);
  const closed = server.close();
  await eventLoopTurns(20);
  held.open();
  await closed;
  await eventLoopTurns(1); // the socket says in a turn of its own that it takes nothing
  expect(await client.rest()).toHaveLength(0);
  expect(device.loans).toBe(0);
});

it('answers a write before it ends the connection, also when DISC came right behind it', async () => {
  const held = gate();
  const { device, client } = await serve(held.promise);
  client.request(NBD_CMD_WRITE, 0, 512, { cookie: 7, payload: Buffer.alloc(512) });
  client.request(NBD_CMD_DISC, 0, 0);
  client.socket.uncork();
  await written(device);
  held.open();
  expect(await client.simple()).toEqual({ error: 0, cookie: 7 });
  expect(await client.rest()).toHaveLength(0);
  client.close();
});

it('answers no write of a commit that fails', async () => {
  const held = gate();
  const { device, client } = await serve(held.promise);
  client.request(NBD_CMD_WRITE, 0, 512, { payload: Buffer.alloc(512) });
  client.socket.uncork();
  await written(device);
  held.fail(new Error('the disk is gone'));
  expect(await client.rest()).toHaveLength(0);
});
