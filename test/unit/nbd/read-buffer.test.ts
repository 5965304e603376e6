/** All sockets of a server read into one buffer: what must outlive a read event was copied. */
import { connect, createServer, type Server, Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { adoptSocket } from '../../../src/nbd/adopted-socket.ts';
import { createNbdServer, type NbdServer, singleExport } from '../../../src/nbd/index.ts';
import { DEFAULT_LIMITS, READ_BUFFER_BYTES } from '../../../src/nbd/limits.ts';
import { NBD_CMD_READ, NBD_CMD_WRITE } from '../../../src/nbd/wire/constants.ts';
import { FakeDevice, gate } from './fake-device.ts';
import { RawClient } from './raw-client.ts';

const KIB = 1024;
let server: NbdServer | undefined;
let listener: Server | undefined;
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  listener?.close();
  await server?.close();
});

async function enter(port: number): Promise<RawClient> {
  const client = await RawClient.open(port);
  clients.push(client);
  await client.go();
  return client;
}

async function serve(device: FakeDevice, limits = {}): Promise<number> {
  server = createNbdServer({ exports: singleExport('disk', device), limits });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  if (address === undefined || !('port' in address)) throw new Error('no port');
  return address.port;
}

/** A server that is given ordinary sockets, which emit chunks of their own. */
async function serveOrdinary(device: FakeDevice, onSocket: (socket: Socket) => void = () => {}) {
  const made = createNbdServer({ exports: singleExport('disk', device) });
  server = made;
  listener = createServer({ allowHalfOpen: true }, (socket) => {
    onSocket(socket);
    made.accept(socket);
  });
  await new Promise<void>((resolve) => listener?.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function readBack(client: RawClient, offset: number, length: number): Promise<Buffer> {
  client.request(NBD_CMD_READ, offset, length);
  expect((await client.simple()).error).toBe(0);
  return client.take(length);
}

describe('payloads of writes that wait', () => {
  const SIZES = [1, 512, 4 * KIB, 64 * KIB, READ_BUFFER_BYTES, 3 * READ_BUFFER_BYTES + 5];

  it('stay what they were while other connections use the buffer', async () => {
    const device = new FakeDevice(8 * 1024 * KIB);
    const port = await serve(device);
    const waiting = await enter(port);
    const other = await enter(port);
    const held = gate();
    device.before = (call) => (call.startsWith('write 7') ? undefined : held.promise);
    let offset = 0;
    for (const [index, size] of SIZES.entries()) {
      waiting.request(NBD_CMD_WRITE, offset, size, { payload: Buffer.alloc(size, index + 1) });
      offset += size;
    }
    await vi.waitFor(() => expect(device.calls).toHaveLength(SIZES.length));
    for (const size of SIZES) {
      other.request(NBD_CMD_WRITE, 7_000_000, size, { payload: Buffer.alloc(size, 0xee) });
      expect((await other.simple()).error).toBe(0);
    }
    held.open();
    for (const _ of SIZES) expect((await waiting.simple()).error).toBe(0);
    device.before = () => undefined;
    const expected = Buffer.concat(SIZES.map((size, index) => Buffer.alloc(size, index + 1)));
    expect((await readBack(waiting, 0, offset)).equals(expected)).toBe(true);
  });

  it('stay what they were behind a limit that stops the reading', async () => {
    const device = new FakeDevice(1024 * KIB);
    const port = await serve(device, { requestsInFlight: 2 });
    const waiting = await enter(port);
    const other = await enter(port);
    const held = gate();
    device.before = (call) => (call === 'write 900000+2000' ? undefined : held.promise);
    const count = 100;
    for (let index = 0; index < count; index += 1) {
      const payload = Buffer.alloc(600, index);
      waiting.request(NBD_CMD_WRITE, index * 600, 600, { payload });
    }
    await vi.waitFor(() => expect(device.calls).toHaveLength(2));
    for (let index = 0; index < 20; index += 1) {
      other.request(NBD_CMD_WRITE, 900_000, 2000, { payload: Buffer.alloc(2000, 0xee) });
      expect((await other.simple()).error).toBe(0);
    }
    held.open();
    for (let index = 0; index < count; index += 1) expect((await waiting.simple()).error).toBe(0);
    device.before = () => undefined;
    const expected = Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.alloc(600, i)));
    expect((await readBack(waiting, 0, count * 600)).equals(expected)).toBe(true);
  });
});

describe('sockets', () => {
  it('that were accepted elsewhere are served as they are', async () => {
    const client = await enter(await serveOrdinary(new FakeDevice(1024 * KIB)));
    const payload = Buffer.from(Array.from({ length: 200 * KIB }, (_, index) => index % 251));
    client.request(NBD_CMD_WRITE, 77, payload.length, { payload });
    expect((await client.simple()).error).toBe(0);
    expect((await readBack(client, 77, payload.length)).equals(payload)).toBe(true);
  });

  it('whose handle is not what we know are left alone', () => {
    const socket = new Socket();
    expect(adoptSocket(socket, Buffer.alloc(1))).toBe(socket);
    expect(socket.destroyed).toBe(false);
    socket.destroy();
  });

  it('are read into the one buffer, and no longer count for the listener', async () => {
    const buffer = Buffer.alloc(16);
    const adopted = new Promise<Socket>((resolve) => {
      listener = createServer({ pauseOnConnect: true }, (socket) =>
        resolve(adoptSocket(socket, buffer)),
      );
    });
    await new Promise<void>((resolve) => listener?.listen(0, '127.0.0.1', resolve));
    const address = listener?.address();
    if (address === null || typeof address !== 'object') throw new Error('no port');
    const client = connect(address.port, '127.0.0.1');
    const socket = await adopted;
    const seen: Buffer[] = [];
    const buffers = new Set<ArrayBufferLike>();
    socket.on('data', (chunk: Buffer) => {
      buffers.add(chunk.buffer);
      seen.push(Buffer.from(chunk));
    });
    const ended = new Promise((resolve) => socket.once('end', resolve));
    client.end('more than sixteen bytes of text');
    await ended;
    expect(Buffer.concat(seen).toString()).toBe('more than sixteen bytes of text');
    expect([...buffers]).toEqual([buffer.buffer]);
    await new Promise((resolve) => listener?.close(resolve));
    const closed = new Promise((resolve) => client.once('close', resolve));
    client.resume();
    socket.end('bye');
    await closed;
  });

  it('ask whether a silent host is still there', async () => {
    const keepAlive: unknown[][] = [];
    const port = await serveOrdinary(new FakeDevice(4096), (socket) => {
      vi.spyOn(socket, 'setKeepAlive').mockImplementation((...given) => {
        keepAlive.push(given);
        return socket;
      });
    });
    await enter(port);
    expect(keepAlive).toEqual([[true, DEFAULT_LIMITS.keepAliveMs]]);
  });
});
