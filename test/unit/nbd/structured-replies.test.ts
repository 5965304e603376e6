import { afterEach, describe, expect, it } from 'vitest';
import { BlockError } from '../../../src/errors/index.ts';
import {
  NBD_CMD_BLOCK_STATUS,
  NBD_CMD_FLAG_DF,
  NBD_CMD_FLAG_REQ_ONE,
  NBD_CMD_READ,
  NBD_EIO,
  NBD_REPLY_TYPE_BLOCK_STATUS,
  NBD_REPLY_TYPE_ERROR,
  NBD_REPLY_TYPE_ERROR_OFFSET,
  NBD_REPLY_TYPE_OFFSET_DATA,
  NBD_REPLY_TYPE_OFFSET_HOLE,
} from '../../../src/nbd/wire/constants.ts';
import { decodeChunk } from '../../../src/nbd/wire/index.ts';
import { FakeDevice } from './fake-device.ts';
import type { RawClient } from './raw-client.ts';
import { fill, SIZE, serve, stopServing } from './served-device.ts';

afterEach(stopServing);

async function structured(client: RawClient, contexts = false): Promise<void> {
  await client.option({ name: 'structured-reply' });
  if (contexts) {
    await client.option({ name: 'set-meta-context', exportName: '', queries: ['base:allocation'] });
  }
  await client.go();
}

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
