import { afterEach, describe, expect, it } from 'vitest';
import { BlockError, ERRNOS, type Errno } from '../../../src/errors/index.ts';
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
} from '../../../src/nbd/wire/constants.ts';
import { NBD_ERROR } from '../../../src/nbd/wire/index.ts';
import { FakeDevice, gate } from './fake-device.ts';
import { fill, SIZE, serve, stopServing } from './served-device.ts';

afterEach(stopServing);

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
