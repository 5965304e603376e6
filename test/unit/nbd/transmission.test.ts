import { afterEach, describe, expect, it } from 'vitest';
import { BlockError, ERRNOS, type Errno } from '../../../src/errors/index.ts';
import { createNbdServer, type NbdServer, singleExport } from '../../../src/nbd/index.ts';
import {
  NBD_CMD_BLOCK_STATUS,
  NBD_CMD_CACHE,
  NBD_CMD_DISC,
  NBD_CMD_FLAG_DF,
  NBD_CMD_FLAG_FAST_ZERO,
  NBD_CMD_FLAG_FUA,
  NBD_CMD_FLAG_NO_HOLE,
  NBD_CMD_FLAG_PAYLOAD_LEN,
  NBD_CMD_FLAG_REQ_ONE,
  NBD_CMD_FLUSH,
  NBD_CMD_READ,
  NBD_CMD_TRIM,
  NBD_CMD_WRITE,
  NBD_CMD_WRITE_ZEROES,
  NBD_EINVAL,
  NBD_EIO,
  NBD_ENOSPC,
  NBD_EPERM,
  NBD_REPLY_TYPE_BLOCK_STATUS,
  NBD_REPLY_TYPE_ERROR,
  NBD_REPLY_TYPE_ERROR_OFFSET,
  NBD_REPLY_TYPE_OFFSET_DATA,
  NBD_REPLY_TYPE_OFFSET_HOLE,
} from '../../../src/nbd/wire/constants.ts';
import {
  type Chunk,
  decodeChunk,
  encodeBlockStatusPayload,
  NBD_ERROR,
} from '../../../src/nbd/wire/index.ts';
import { FakeDevice, gate } from './fake-device.ts';
import { RawClient } from './raw-client.ts';

const SIZE = 1024 * 1024;
let server: NbdServer;
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.close();
});

async function serve(device: FakeDevice, limits = {}): Promise<RawClient> {
  server = createNbdServer({ exports: singleExport('disk', device), limits });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  if (address === undefined || !('port' in address)) throw new Error('no port');
  const client = await RawClient.open(address.port);
  clients.push(client);
  return client;
}

function fill(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 7 + 3) & 0xff));
}

async function structured(client: RawClient, contexts = false): Promise<void> {
  await client.option({ name: 'structured-reply' });
  if (contexts) {
    await client.option({ name: 'set-meta-context', exportName: '', queries: ['base:allocation'] });
  }
  await client.go();
}

describe('simple replies', () => {
  it('write, read, flush, trim, cache and zero', async () => {
    const device = new FakeDevice(SIZE);
    const client = await serve(device);
    await client.go();
    const data = fill(5000);
    client.request(NBD_CMD_WRITE, 100, 5000, { payload: data, flags: NBD_CMD_FLAG_FUA });
    expect(await client.simple()).toEqual({ error: 0, cookie: 1 });
    for (const length of [1, 5000]) {
      client.request(NBD_CMD_READ, 100, length, { cookie: -2 });
      expect(await client.simple()).toEqual({ error: 0, cookie: -2 });
      expect(await client.take(length)).toEqual(data.subarray(0, length));
    }
    client.request(NBD_CMD_FLUSH, 0, 0);
    client.request(NBD_CMD_TRIM, 0, 4096);
    client.request(NBD_CMD_CACHE, 0, 4096);
    client.request(NBD_CMD_WRITE_ZEROES, 0, 8192, { flags: NBD_CMD_FLAG_NO_HOLE });
    client.request(NBD_CMD_WRITE_ZEROES, 0, 8192, { flags: NBD_CMD_FLAG_FAST_ZERO | 1 });
    for (let index = 0; index < 5; index += 1) expect((await client.simple()).error).toBe(0);
    expect(device.calls).toEqual([
      'write 100+5000 fua',
      'read 100+1',
      'read 100+5000',
      'flush',
      'trim 0+4096',
      'cache 0+4096',
      'zero 0+8192 noHole',
      'zero 0+8192 fua fast',
    ]);
  });

  it('answers byte by byte as it does in one piece', async () => {
    const device = new FakeDevice(SIZE);
    const client = await serve(device);
    await client.go();
    client.socket.setNoDelay(true);
    const whole = Buffer.alloc(28 + 40);
    whole.writeUInt32BE(0x25609513, 0);
    whole.writeUInt16BE(NBD_CMD_WRITE, 6);
    whole.writeUInt32BE(40, 24);
    fill(40).copy(whole, 28);
    for (const byte of whole) {
      client.send(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await client.simple()).error).toBe(0);
    client.request(NBD_CMD_READ, 0, 40);
    await client.simple();
    expect(await client.take(40)).toEqual(fill(40));
  });

  it('a failed read carries no payload, and the connection goes on', async () => {
    const device = new FakeDevice(SIZE);
    device.lends = false;
    const client = await serve(device);
    await client.go();
    for (const length of [512, 100_000]) {
      for (const asynchronous of [false, true]) {
        const error = new BlockError('EIO', 'read', 0, length, 'bad sector');
        device.before = () => {
          if (asynchronous) return Promise.reject(error);
          throw error;
        };
        client.request(NBD_CMD_READ, 0, length, { cookie: 9 });
        expect(await client.simple()).toEqual({ error: NBD_EIO, cookie: 9 });
      }
    }
    device.before = () => undefined;
    client.request(NBD_CMD_FLUSH, 0, 0, { cookie: 10 });
    expect(await client.simple()).toEqual({ error: 0, cookie: 10 });
  });

  it('tells range from alignment, and writes from reads', async () => {
    const device = new FakeDevice(SIZE, 512);
    const client = await serve(device);
    await client.go();
    const cases: [number, number, number, number][] = [
      [NBD_CMD_READ, SIZE - 512, 1024, NBD_EINVAL],
      [NBD_CMD_READ, SIZE, 512, NBD_EINVAL],
      [NBD_CMD_READ, 2 ** 53 - 1024, 512, NBD_EINVAL],
      [NBD_CMD_WRITE, SIZE - 512, 1024, NBD_ENOSPC],
      [NBD_CMD_WRITE_ZEROES, SIZE - 512, 1024, NBD_ENOSPC],
      [NBD_CMD_TRIM, SIZE - 512, 1024, NBD_EINVAL],
      [NBD_CMD_CACHE, SIZE - 512, 1024, NBD_EINVAL],
      [NBD_CMD_READ, 1, 512, NBD_EINVAL],
      [NBD_CMD_READ, 0, 511, NBD_EINVAL],
      [NBD_CMD_WRITE, 256, 512, NBD_EINVAL],
      [NBD_CMD_WRITE_ZEROES, 512, 100, NBD_EINVAL],
      [NBD_CMD_FLUSH, 0, 512, NBD_EINVAL],
      [NBD_CMD_FLUSH, 512, 0, NBD_EINVAL],
      [NBD_CMD_BLOCK_STATUS, 0, 512, NBD_EINVAL],
      [8, 0, 512, NBD_EINVAL],
      [0xffff, 0, 512, NBD_EINVAL],
    ];
    for (const [type, offset, length, error] of cases) {
      const payload = type === NBD_CMD_WRITE ? { payload: fill(length) } : {};
      client.request(type, offset, length, payload);
      expect(await client.simple(), `${type} ${offset}+${length}`).toMatchObject({ error });
    }
    expect(device.calls).toEqual([]);
  });

  it('refuses flags that do not belong, and consumes the payload', async () => {
    const device = new FakeDevice(SIZE);
    const client = await serve(device);
    await client.go();
    const cases: [number, number][] = [
      [NBD_CMD_READ, NBD_CMD_FLAG_DF], // not negotiated
      [NBD_CMD_READ, NBD_CMD_FLAG_NO_HOLE],
      [NBD_CMD_WRITE, NBD_CMD_FLAG_REQ_ONE],
      [NBD_CMD_WRITE, NBD_CMD_FLAG_PAYLOAD_LEN],
      [NBD_CMD_TRIM, NBD_CMD_FLAG_FAST_ZERO],
      [NBD_CMD_FLUSH, 0x8000],
    ];
    for (const [type, flags] of cases) {
      const payload = type === NBD_CMD_WRITE ? { payload: fill(512) } : {};
      client.request(type, 0, type === NBD_CMD_FLUSH ? 0 : 512, { flags, ...payload });
      expect((await client.simple()).error).toBe(NBD_EINVAL);
    }
    expect(device.calls).toEqual([]);
  });

  it('a read-only export answers every write with EPERM', async () => {
    const device = new FakeDevice(SIZE, 1, { write: false });
    const client = await serve(device);
    await client.go();
    for (const type of [NBD_CMD_WRITE, NBD_CMD_TRIM, NBD_CMD_WRITE_ZEROES]) {
      const payload = type === NBD_CMD_WRITE ? { payload: fill(512) } : {};
      client.request(type, 0, 512, payload);
      expect((await client.simple()).error).toBe(NBD_EPERM);
    }
    expect(device.calls).toEqual([]);
  });

  it('maps every errno', async () => {
    const device = new FakeDevice(SIZE);
    const client = await serve(device);
    await client.go();
    const narrowed: Partial<Record<Errno, number>> = { ENOTSUP: NBD_EINVAL, EOVERFLOW: NBD_EINVAL };
    for (const errno of ERRNOS) {
      device.before = () => {
        throw new BlockError(errno, 'write', 0, 512, 'a reason');
      };
      client.request(NBD_CMD_WRITE, 0, 512, { payload: fill(512) });
      expect((await client.simple()).error, errno).toBe(narrowed[errno] ?? NBD_ERROR[errno]);
    }
    device.before = () => {
      throw new BlockError('ENOTSUP', 'zero', 0, 512, 'slow');
    };
    client.request(NBD_CMD_WRITE_ZEROES, 0, 512, { flags: NBD_CMD_FLAG_FAST_ZERO });
    expect((await client.simple()).error).toBe(NBD_ERROR.ENOTSUP);
    device.before = () => {
      throw new TypeError('a bug');
    };
    client.request(NBD_CMD_FLUSH, 0, 0);
    expect((await client.simple()).error).toBe(NBD_EIO);
  });

  it('takes payloads beyond the advertised maximum, and drops absurd ones', async () => {
    const device = new FakeDevice(8 * SIZE);
    const client = await serve(device, { advertisedPayload: 65_536, payload: 4 * SIZE });
    await client.go();
    const data = fill(4 * SIZE);
    client.request(NBD_CMD_WRITE, 0, data.length, { payload: data });
    expect((await client.simple()).error).toBe(0);
    client.request(NBD_CMD_READ, 0, data.length);
    expect((await client.simple()).error).toBe(0);
    expect((await client.take(data.length)).equals(data)).toBe(true);
    client.request(NBD_CMD_READ, 0, data.length + 1);
    expect((await client.simple()).error).toBe(NBD_EINVAL);
    client.request(NBD_CMD_WRITE, 0, data.length + 1);
    expect(await client.rest()).toHaveLength(0);
  });

  it('drops a connection that sends something else than requests', async () => {
    const client = await serve(new FakeDevice(SIZE));
    await client.go();
    client.send(Buffer.alloc(28, 0x55));
    expect(await client.rest()).toHaveLength(0);
  });

  it('keeps the order of overlapping writes that wait', async () => {
    const device = new FakeDevice(SIZE);
    const client = await serve(device);
    await client.go();
    const held = gate();
    device.before = () => held.promise;
    for (let index = 0; index < 20; index += 1) {
      client.request(NBD_CMD_WRITE, 0, 512, { payload: Buffer.alloc(512, index), cookie: index });
    }
    while (device.calls.length < 20) await new Promise((resolve) => setImmediate(resolve));
    held.open();
    for (let index = 0; index < 20; index += 1) await client.simple();
    device.before = () => undefined;
    client.request(NBD_CMD_READ, 0, 1);
    await client.simple();
    expect((await client.take(1))[0]).toBe(19);
  });

  it('answers in the order things finish, and everything before it leaves on DISC', async () => {
    const device = new FakeDevice(SIZE);
    const client = await serve(device);
    await client.go();
    const held = gate();
    device.before = (call) => (call.startsWith('read 0+') ? held.promise : undefined);
    client.request(NBD_CMD_READ, 0, 512, { cookie: 1 });
    client.request(NBD_CMD_READ, 512, 512, { cookie: 2 });
    client.request(NBD_CMD_DISC, 0, 0);
    expect((await client.simple()).cookie).toBe(2);
    await client.take(512);
    held.open();
    expect((await client.simple()).cookie).toBe(1);
    expect(await client.rest()).toHaveLength(512);
  });
});

describe('structured replies', () => {
  it('reads small and large, and says where an error happened', async () => {
    const device = new FakeDevice(SIZE);
    const client = await serve(device);
    await structured(client);
    const data = fill(200_000);
    device.inner.write(data, 0, { fua: false });
    for (const length of [512, 200_000]) {
      client.request(NBD_CMD_READ, 0, length);
      const chunk = await client.chunk();
      expect(chunk).toMatchObject({ done: true, type: NBD_REPLY_TYPE_OFFSET_DATA });
      expect(chunk.payload.subarray(8).equals(data.subarray(0, length))).toBe(true);
    }
    device.before = () => {
      throw new BlockError('EIO', 'read', 1024, 512, 'bad sector in /var/lib/secret');
    };
    client.request(NBD_CMD_READ, 512, 4096);
    const failed = await client.chunk();
    expect(failed).toMatchObject({ done: true, type: NBD_REPLY_TYPE_ERROR_OFFSET });
    expect(decodeChunk(failed.type, failed.payload.length, failed.payload, false)).toEqual({
      kind: 'error',
      error: NBD_EIO,
      message: 'read failed: EIO',
      offset: 1024,
    });
    client.request(NBD_CMD_READ, 8192, 512); // the device's offset lies outside: no offset
    expect((await client.chunk()).type).toBe(NBD_REPLY_TYPE_ERROR);
    client.request(NBD_CMD_READ, SIZE, 512);
    expect((await client.chunk()).type).toBe(NBD_REPLY_TYPE_ERROR);
    client.request(NBD_CMD_READ, 0, 0);
    expect(await client.chunk()).toMatchObject({ done: true, type: 0 });
  });

  it('sends holes as holes, unless the client wants one piece', async () => {
    const device = new FakeDevice(SIZE);
    const client = await serve(device);
    await structured(client, true);
    device.inner.write(fill(65_536), 131_072, { fua: false });
    client.request(NBD_CMD_READ, 0, 524_288);
    let covered = 0;
    let done = false;
    const image = Buffer.alloc(524_288, 0xee);
    while (!done) {
      const chunk = await client.chunk();
      done = chunk.done;
      const decoded = decodeChunk(chunk.type, chunk.payload.length, chunk.payload, false);
      if (decoded.kind === 'offset-data') {
        chunk.payload.copy(image, decoded.offset, 8);
        expect(decoded).toMatchObject({ offset: 131_072, length: 65_536 });
        covered += decoded.length;
      } else if (decoded.kind === 'offset-hole') {
        expect(chunk.type).toBe(NBD_REPLY_TYPE_OFFSET_HOLE);
        image.fill(0, decoded.offset, decoded.offset + decoded.length);
        covered += decoded.length;
      } else throw new Error(decoded.kind);
    }
    expect(covered).toBe(524_288);
    const expected = Buffer.alloc(524_288);
    device.inner.read(expected, 0);
    expect(image.equals(expected)).toBe(true);
    client.request(NBD_CMD_READ, 0, 262_144, { flags: NBD_CMD_FLAG_DF });
    const whole = await client.chunk();
    expect(whole).toMatchObject({ done: true, type: NBD_REPLY_TYPE_OFFSET_DATA });
    expect(whole.payload.subarray(8).equals(expected.subarray(0, 262_144))).toBe(true);
  });

  it('reports extents, one of them when asked for one', async () => {
    const device = new FakeDevice(SIZE);
    const client = await serve(device);
    await structured(client, true);
    device.inner.write(fill(65_536), 65_536, { fua: false });
    client.request(NBD_CMD_BLOCK_STATUS, 0, SIZE);
    const all = await client.chunk();
    expect(all.type).toBe(NBD_REPLY_TYPE_BLOCK_STATUS);
    expect(decodeChunk(all.type, all.payload.length, all.payload, false)).toEqual({
      kind: 'block-status',
      contextId: 1,
      extents: [
        { length: 65_536, flags: 3 },
        { length: 65_536, flags: 0 },
        { length: SIZE - 131_072, flags: 3 },
      ],
    });
    client.request(NBD_CMD_BLOCK_STATUS, 1000, 2000, { flags: NBD_CMD_FLAG_REQ_ONE });
    const one = await client.chunk();
    expect(decodeChunk(one.type, one.payload.length, one.payload, false)).toMatchObject({
      extents: [{ length: 2000, flags: 3 }],
    });
    client.request(NBD_CMD_BLOCK_STATUS, 0, 0);
    expect((await client.chunk()).type).toBe(NBD_REPLY_TYPE_ERROR);
  });
});

describe('extended headers', () => {
  const CONTEXT = 'x-test:parity';

  async function extended(device: FakeDevice, queries: string[]): Promise<RawClient> {
    server = createNbdServer({
      exports: {
        list: () => [],
        open: () => ({
          name: 'disk',
          description: '',
          device,
          readOnly: false,
          contexts: [
            {
              name: CONTEXT,
              // One page at a time, odd and even: the server has to ask again.
              status: (offset) => {
                const page = Math.floor(offset / 65_536);
                return [{ length: (page + 1) * 65_536 - offset, flags: page & 1 }];
              },
            },
          ],
          close: () => Promise.resolve(),
        }),
      },
    });
    const address = await server.listen({ host: '127.0.0.1', port: 0 });
    if (address === undefined || !('port' in address)) throw new Error('no port');
    const client = await RawClient.open(address.port);
    clients.push(client);
    await client.option({ name: 'extended-headers' });
    await client.option({ name: 'set-meta-context', exportName: '', queries });
    await client.go();
    return client;
  }

  async function chunk(client: RawClient): Promise<{ done: boolean; offset: bigint; what: Chunk }> {
    const header = await client.take(32);
    expect(header.readUInt32BE(0)).toBe(0x6e8a278c);
    const length = Number(header.readBigUInt64BE(24));
    const payload = await client.take(length);
    const what = decodeChunk(header.readUInt16BE(6), length, payload, true);
    if (what.kind === 'violation') throw new Error(what.violation);
    const done = (header.readUInt16BE(4) & 1) !== 0;
    return { done, offset: header.readBigUInt64BE(16), what };
  }

  it('reads, writes and echoes the offset', async () => {
    const client = await extended(new FakeDevice(SIZE), []);
    const flags = NBD_CMD_FLAG_PAYLOAD_LEN;
    client.extendedRequest(NBD_CMD_WRITE, 4096, 512, { flags, payload: fill(512) });
    expect(await chunk(client)).toEqual({ done: true, offset: 4096n, what: { kind: 'none' } });
    client.extendedRequest(NBD_CMD_READ, 4096, 512);
    const { what } = await chunk(client);
    expect(what).toEqual({ kind: 'offset-data', offset: 4096, length: 512 });
    // A client that forgets PAYLOAD_LEN on a write sends the payload nevertheless.
    client.extendedRequest(NBD_CMD_WRITE, 0, 512, { payload: fill(512) });
    expect((await chunk(client)).what).toEqual({ kind: 'none' });
    // A payload nobody expects is consumed.
    client.extendedRequest(NBD_CMD_FLUSH, 0, 512, { flags, payload: fill(512) });
    expect((await chunk(client)).what).toMatchObject({ kind: 'error', error: NBD_EINVAL });
    client.extendedRequest(NBD_CMD_READ, 2 ** 53 - 1, 2 ** 53 - 1);
    expect(await chunk(client)).toMatchObject({
      offset: 2n ** 53n - 1n,
      what: { error: NBD_EINVAL },
    });
    client.extendedRequest(NBD_CMD_FLUSH, 0, 0);
    expect((await chunk(client)).what).toEqual({ kind: 'none' });
  });

  it('drops who announces a payload beyond the advertised maximum', async () => {
    const client = await extended(new FakeDevice(SIZE), []);
    const flags = NBD_CMD_FLAG_PAYLOAD_LEN;
    client.extendedRequest(NBD_CMD_WRITE, 0, 32 * 1024 * 1024 + 1, { flags });
    expect(await client.rest()).toHaveLength(0);
  });

  it('reports every selected context, or those that the payload names', async () => {
    const device = new FakeDevice(SIZE);
    const client = await extended(device, ['base:allocation', CONTEXT]);
    client.extendedRequest(NBD_CMD_BLOCK_STATUS, 0, 196_608);
    const first = await chunk(client);
    expect(first).toMatchObject({ done: false, what: { contextId: 1 } });
    expect(first.what).toMatchObject({ extents: [{ length: 196_608, flags: 3 }] });
    const parity = [0, 1, 0].map((flags) => ({ length: 65_536, flags }));
    expect(await chunk(client)).toMatchObject({
      done: true,
      what: { contextId: 2, extents: parity },
    });
    const flags = NBD_CMD_FLAG_PAYLOAD_LEN;
    const ask = (ids: number[], length = 65_536): void => {
      const payload = encodeBlockStatusPayload(length, ids);
      client.extendedRequest(NBD_CMD_BLOCK_STATUS, 65_536, payload.length, { flags, payload });
    };
    ask([2]);
    expect(await chunk(client)).toMatchObject({
      done: true,
      what: { contextId: 2, extents: [{ length: 65_536, flags: 1 }] },
    });
    const wrong = [[], [1, 1], [3], [0], Array.from({ length: 1000 }, () => 1)];
    for (const ids of wrong) {
      ask(ids);
      const reply = await chunk(client);
      expect(reply.what, String(ids)).toMatchObject({ kind: 'error', error: NBD_EINVAL });
    }
    ask([1], SIZE);
    expect((await chunk(client)).what).toMatchObject({ kind: 'error', error: NBD_EINVAL });
  });
});
