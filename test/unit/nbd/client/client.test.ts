/** The client with an honest server: what fails fails alone, what waits waits, and nothing is lost at the end. */
import { afterEach, describe, expect, test } from 'vitest';
import { MemoryDevice, PLAIN } from '../../../../src/block/index.ts';
import { connectNbd, createNbdServer, nbdDevice, singleExport } from '../../../../src/nbd/index.ts';
import { CHUNK, CMD, ERR, FLAG } from '../../../conformance/nbd/values.ts';
import {
  chunk,
  errorPayload,
  type FakeServer,
  fakeServer,
  honestHandshake,
  offsetData,
  offsetHole,
  type ReceivedRequest,
  readRequest,
  type Style,
  simpleReply,
  u32,
  u64,
  type Wire,
} from '../../../support/nbd-fake-server.ts';

const STYLES = ['simple', 'structured', 'extended'] as const;

let server: FakeServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function connectFake(
  style: Style,
  serve: (wire: Wire) => Promise<void>,
  options: { flags?: number; contexts?: readonly string[]; requestsInFlight?: number } = {},
) {
  server = await fakeServer(async (wire) => {
    await honestHandshake(wire, { style, ...options });
    await serve(wire);
  });
  return connectNbd(`nbd://127.0.0.1:${server.port}/x`, {
    style,
    ...(options.requestsInFlight === undefined
      ? {}
      : { requestsInFlight: options.requestsInFlight }),
  });
}

const ok = (style: Style, request: ReceivedRequest, data = Buffer.alloc(0)) => {
  if (style === 'simple') return simpleReply(request.cookie, 0, data);
  return request.type === CMD.READ
    ? chunk(style, request, CHUNK.OFFSET_DATA, offsetData(request.offset, data))
    : chunk(style, request, CHUNK.NONE);
};

const refusal = (style: Style, request: ReceivedRequest, error: number) =>
  style === 'simple'
    ? simpleReply(request.cookie, error)
    : chunk(style, request, CHUNK.ERROR, errorPayload(error, 'no'));

describe.each(STYLES)('%s', (style) => {
  test.each([
    [ERR.EPERM, 'EPERM'],
    [ERR.EIO, 'EIO'],
    [ERR.ENOMEM, 'ENOMEM'],
    [ERR.EINVAL, 'EINVAL'],
    [ERR.ENOSPC, 'ENOSPC'],
    [ERR.EOVERFLOW, 'EOVERFLOW'],
    [ERR.ENOTSUP, 'ENOTSUP'],
    [4711, 'EINVAL'],
  ])('error %i is %s and fails that request alone', async (error, errno) => {
    const client = await connectFake(style, async (wire) => {
      const [first, second] = [await readRequest(wire, style), await readRequest(wire, style)];
      wire.send(ok(style, second, Buffer.alloc(512, 2)), refusal(style, first, error));
      await wire.drain();
    });
    const target = Buffer.alloc(512);
    const outcomes = await Promise.allSettled([
      client.read(Buffer.alloc(512), 1024),
      client.read(target, 2048),
    ]);
    expect(outcomes[0]).toMatchObject({
      reason: { name: 'BlockError', errno, operation: 'read', offset: 1024, length: 512 },
    });
    expect(outcomes[1].status).toBe('fulfilled');
    expect(target.equals(Buffer.alloc(512, 2))).toBe(true);
    expect(client.ended).toBeUndefined();
  });

  test('replies out of order, cut at every byte', async () => {
    const client = await connectFake(style, async (wire) => {
      const requests = [];
      for (let index = 0; index < 3; index += 1) requests.push(await readRequest(wire, style));
      const bytes = requests
        .reverse()
        .map((request) => ok(style, request, Buffer.alloc(20, Number(request.offset) + 1)));
      await wire.dribble(Buffer.concat(bytes));
      await wire.drain();
    });
    const targets = [0, 20, 40].map((offset) => ({ offset, bytes: Buffer.alloc(20) }));
    await Promise.all(targets.map(({ offset, bytes }) => client.read(bytes, offset)));
    for (const { offset, bytes } of targets)
      expect(bytes.every((b) => b === offset + 1)).toBe(true);
  });

  test('ESHUTDOWN ends in a soft disconnect', async () => {
    const types: number[] = [];
    const client = await connectFake(style, async (wire) => {
      wire.send(refusal(style, await readRequest(wire, style), ERR.ESHUTDOWN));
      types.push((await readRequest(wire, style)).type);
    });
    await expect(client.read(Buffer.alloc(512), 0)).rejects.toMatchObject({ errno: 'ESHUTDOWN' });
    await expect(client.read(Buffer.alloc(512), 0)).rejects.toMatchObject({ errno: 'ESHUTDOWN' });
    await client.disconnect();
    expect(types).toEqual([CMD.DISC]);
  });

  test('disconnect waits for what is in flight, then says DISC once', async () => {
    const types: number[] = [];
    const client = await connectFake(style, async (wire) => {
      const request = await readRequest(wire, style);
      wire.send(ok(style, request, Buffer.alloc(512)));
      types.push((await readRequest(wire, style)).type);
    });
    let read = false;
    const reading = client.read(Buffer.alloc(512), 0).then(() => {
      read = true;
    });
    await Promise.all([client.disconnect(), client.disconnect()]);
    expect(read).toBe(true);
    await reading;
    expect(types).toEqual([CMD.DISC]);
    await expect(client.flush()).rejects.toMatchObject({ errno: 'ESHUTDOWN' });
  });

  test('no more requests in flight than allowed; the others wait their turn', async () => {
    let early = 0;
    const client = await connectFake(
      style,
      async (wire) => {
        for (let batch = 0; batch < 5; batch += 1) {
          const requests = [];
          for (let n = 0; n < 4; n += 1) requests.push(await readRequest(wire, style));
          early += wire.pending;
          wire.send(...requests.map((request) => ok(style, request, Buffer.alloc(512))));
        }
        await wire.drain();
      },
      { requestsInFlight: 4 },
    );
    await Promise.all(Array.from({ length: 20 }, () => client.read(Buffer.alloc(512), 0)));
    expect(early).toBe(0);
  });

  test('the end of the connection fails what is in flight and what waits', async () => {
    const client = await connectFake(style, async (wire) => void (await readRequest(wire, style)), {
      requestsInFlight: 2,
    });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 6 }, () => client.read(Buffer.alloc(512), 0)),
    );
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { errno: 'EIO' } });
    await expect(client.read(Buffer.alloc(512), 0)).rejects.toMatchObject({ errno: 'EIO' });
  });
});

describe('chunks', () => {
  test('data, holes and errors in any order make one read', async () => {
    const client = await connectFake('extended', async (wire) => {
      const request = await readRequest(wire, 'extended');
      const piece = (offset: number, byte: number) =>
        chunk(
          'extended',
          request,
          CHUNK.OFFSET_DATA,
          offsetData(offset, Buffer.alloc(512, byte)),
          0,
        );
      wire.send(piece(1536, 4), piece(512, 2));
      wire.send(chunk('extended', request, CHUNK.OFFSET_HOLE, offsetHole(1024, 512), 0));
      wire.send(piece(0, 1), chunk('extended', request, CHUNK.NONE));
      await wire.drain();
    });
    const target = Buffer.alloc(2048, 0xee);
    await client.read(target, 0);
    const expected = [1, 2, 0, 4].map((byte) => Buffer.alloc(512, byte));
    expect(target.equals(Buffer.concat(expected))).toBe(true);
  });

  test('an unknown error chunk fails the request, not the connection', async () => {
    const client = await connectFake('structured', async (wire) => {
      const request = await readRequest(wire, 'structured');
      const strange = Buffer.concat([errorPayload(ERR.EIO, 'strange'), Buffer.alloc(40)]);
      wire.send(chunk('structured', request, 0x9abc, strange));
      wire.send(ok('structured', await readRequest(wire, 'structured'), Buffer.alloc(512)));
      await wire.drain();
    });
    await expect(client.read(Buffer.alloc(512), 0)).rejects.toMatchObject({ errno: 'EIO' });
    await client.read(Buffer.alloc(512), 0);
  });

  test('block status of several contexts, and of one of them by payload', async () => {
    const flags = FLAG.HAS_FLAGS | FLAG.BLOCK_STATUS_PAYLOAD;
    const asked: number[] = [];
    const client = await connectFake(
      'extended',
      async (wire) => {
        for (const ids of [[1, 2], [2]]) {
          const request = await readRequest(wire, 'extended');
          asked.push(request.payload.length);
          const status = (id: number) => Buffer.concat([u32(id), u32(1), u64(4096), u64(id)]);
          wire.send(
            ...ids.map((id, at) =>
              chunk(
                'extended',
                request,
                CHUNK.BLOCK_STATUS_EXT,
                status(id),
                at === ids.length - 1 ? 1 : 0,
              ),
            ),
          );
        }
        await wire.drain();
      },
      { flags, contexts: ['base:allocation', 'qemu:dirty-bitmap:b'] },
    );
    expect(await client.blockStatus(0, 4096)).toEqual(
      new Map([
        [1, [{ length: 4096, flags: 1 }]],
        [2, [{ length: 4096, flags: 2 }]],
      ]),
    );
    const one = await client.blockStatus(0, 4096, { contexts: [2] });
    expect([...one.keys()]).toEqual([2]);
    expect(asked).toEqual([0, 12]);
  });
});

describe('what a client must not send is refused here', () => {
  test.each<
    [string, string, (client: Awaited<ReturnType<typeof connectFake>>) => Promise<unknown>]
  >([
    ['a read beyond the end', 'EINVAL', (client) => client.read(Buffer.alloc(512), 1 << 20)],
    ['a write beyond the end', 'ENOSPC', (client) => client.write(Buffer.alloc(512), 1 << 20)],
    ['a negative offset', 'EINVAL', (client) => client.read(Buffer.alloc(512), -512)],
    ['half a byte', 'EINVAL', (client) => client.read(Buffer.alloc(512), 0.5)],
    ['an unadvertised trim', 'ENOTSUP', (client) => client.trim(0, 512)],
    ['an unadvertised flush', 'ENOTSUP', (client) => client.flush()],
    ['unadvertised FUA', 'ENOTSUP', (client) => client.write(Buffer.alloc(512), 0, { fua: true })],
    ['block status without a context', 'EINVAL', (client) => client.blockStatus(0, 512)],
  ])('%s: %s', async (_what, errno, use) => {
    const client = await connectFake('structured', async (wire) => void (await wire.drain()), {
      flags: FLAG.HAS_FLAGS,
    });
    await expect(use(client)).rejects.toMatchObject({ name: 'BlockError', errno });
  });

  test('a write to a read-only export: EROFS', async () => {
    const flags = FLAG.HAS_FLAGS | FLAG.READ_ONLY;
    const client = await connectFake('simple', async (wire) => void (await wire.drain()), {
      flags,
    });
    await expect(client.write(Buffer.alloc(512), 0)).rejects.toMatchObject({ errno: 'EROFS' });
  });
});

describe('a device behind our own server', () => {
  test.each(STYLES)('%s: large transfers and small ones at once', async (style) => {
    const memory = new MemoryDevice({ size: 64 << 20 });
    const real = createNbdServer({ exports: singleExport('m', memory) });
    const address = await real.listen({ host: '127.0.0.1', port: 0 });
    if (address === undefined || !('port' in address)) throw new Error('no port');
    const device = nbdDevice(await connectNbd(`nbd://127.0.0.1:${address.port}/m`, { style }));
    const large = Buffer.alloc(32 << 20, 0x4c);
    const small = Array.from({ length: 300 }, (_, index) =>
      device.write(Buffer.alloc(512, index), (40 << 20) + index * 512, PLAIN),
    );
    await Promise.all([device.write(large, 0, PLAIN), ...small]);
    const back = Buffer.alloc(32 << 20);
    const piece = Buffer.alloc(512);
    await Promise.all([device.read(back, 0), device.read(piece, (40 << 20) + 299 * 512)]);
    expect(back.equals(large)).toBe(true);
    expect(piece.every((byte) => byte === 299 % 256)).toBe(true);
    await device.close();
    expect(() => device.read(piece, 0)).toThrow(expect.objectContaining({ errno: 'ESHUTDOWN' }));
    await real.close();
  });
});
