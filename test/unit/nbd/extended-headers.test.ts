import { afterEach, describe, expect, it } from 'vitest';
import {
  NBD_CMD_BLOCK_STATUS,
  NBD_CMD_FLAG_PAYLOAD_LEN,
  NBD_CMD_FLUSH,
  NBD_CMD_READ,
  NBD_CMD_WRITE,
  NBD_EINVAL,
} from '../../../src/nbd/wire/constants.ts';
import { type Chunk, decodeChunk, encodeBlockStatusPayload } from '../../../src/nbd/wire/index.ts';
import { FakeDevice } from './fake-device.ts';
import type { RawClient } from './raw-client.ts';
import { fill, SIZE, serveExports, stopServing } from './served-device.ts';

afterEach(stopServing);

describe('extended headers', () => {
  const CONTEXT = 'x-test:parity';

  async function extended(device: FakeDevice, queries: string[]): Promise<RawClient> {
    const client = await serveExports({
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
    });
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
