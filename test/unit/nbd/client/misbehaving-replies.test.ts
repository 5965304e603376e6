/** One test for every way in which a reply can break the protocol: the connection ends, with the right name. */
import { afterEach, describe, expect, test } from 'vitest';
import { BlockError } from '../../../../src/errors/index.ts';
import { type NbdClient, NbdViolation } from '../../../../src/nbd/index.ts';
import { CHUNK, ERR } from '../../../conformance/nbd/values.ts';
import {
  chunk,
  errorPayload,
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
import { closeScriptedServer, connectTo } from './scripted-server.ts';

afterEach(closeScriptedServer);

type Misbehaviour = (wire: Wire, request: ReceivedRequest, style: Style) => void;

/** Runs one command against a server that answers it as given. */
async function answered(
  style: Style,
  answer: Misbehaviour,
  use: (client: NbdClient) => Promise<unknown>,
  contexts: readonly string[] = ['base:allocation'],
): Promise<{ client: NbdClient; error: unknown }> {
  const client = await connectTo(
    async (wire) => {
      await honestHandshake(wire, { style, contexts });
      for (;;) answer(wire, await readRequest(wire, style), style);
    },
    { style },
  );
  const error = await use(client).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { client, error };
}

const DATA = Buffer.alloc(512, 1);
const read = (client: NbdClient) => client.read(Buffer.alloc(1024), 4096);
const NOT_DONE = 0;

const data =
  (at: number, bytes: Buffer, flags?: number): Misbehaviour =>
  (wire, request, style) =>
    wire.send(chunk(style, request, CHUNK.OFFSET_DATA, offsetData(at, bytes), flags));

const raw =
  (type: number, payload: Buffer, flags?: number): Misbehaviour =>
  (wire, request, style) =>
    wire.send(chunk(style, request, type, payload, flags));

const both =
  (...all: Misbehaviour[]): Misbehaviour =>
  (wire, request, style) => {
    for (const each of all) each(wire, request, style);
  };

describe('in the reply to a read', () => {
  const cases: readonly [string, string, Misbehaviour][] = [
    ['a wrong magic', 'reply-magic', (wire) => wire.send(Buffer.alloc(64, 7))],
    [
      'a wrong cookie',
      'reply-cookie',
      (wire, r, style) => wire.send(chunk(style, { ...r, cookie: r.cookie + 1n }, CHUNK.NONE)),
    ],
    [
      'a cookie beyond all slots',
      'reply-cookie',
      (wire, r, style) => wire.send(chunk(style, { ...r, cookie: 2n ** 64n - 1n }, CHUNK.NONE)),
    ],
    ['success without data', 'read-incomplete', raw(CHUNK.NONE, Buffer.alloc(0))],
    ['too little data', 'read-incomplete', data(4096, DATA)],
    ['data before the request', 'chunk-outside-request', data(4095, DATA)],
    ['data behind the request', 'chunk-outside-request', data(4096 + 1000, DATA)],
    ['more data than asked', 'chunk-too-long', data(4096, Buffer.alloc(1025))],
    ['data at 2^63', 'chunk-outside-request', raw(CHUNK.OFFSET_DATA, offsetData(2n ** 63n, DATA))],
    ['the same data twice', 'chunk-overlap', both(data(4096, DATA, NOT_DONE), data(4096, DATA))],
    [
      'overlap with everything',
      'chunk-overlap',
      both(data(4096, Buffer.alloc(1024), NOT_DONE), data(4096, DATA)),
    ],
    [
      'overlap by a byte',
      'chunk-overlap',
      both(data(4096, DATA, NOT_DONE), data(4096 + 511, DATA)),
    ],
    [
      'a hole over data',
      'chunk-overlap',
      both(data(4096, DATA, NOT_DONE), raw(CHUNK.OFFSET_HOLE, offsetHole(4096, 1024))),
    ],
    ['an empty data chunk', 'chunk-length', raw(CHUNK.OFFSET_DATA, u64(4096))],
    ['a data chunk without offset', 'chunk-length', raw(CHUNK.OFFSET_DATA, Buffer.alloc(4))],
    ['an empty hole', 'chunk-content', raw(CHUNK.OFFSET_HOLE, offsetHole(4096, 0))],
    ['a short hole', 'chunk-length', raw(CHUNK.OFFSET_HOLE, u64(4096))],
    [
      'a hole behind the request',
      'chunk-outside-request',
      raw(CHUNK.OFFSET_HOLE, offsetHole(4096, 4096)),
    ],
    [
      'NONE without DONE',
      'none-without-done',
      both(data(4096, Buffer.alloc(1024), NOT_DONE), raw(CHUNK.NONE, Buffer.alloc(0), NOT_DONE)),
    ],
    ['NONE with a payload', 'chunk-too-long', raw(CHUNK.NONE, u32(0))],
    ['an unknown chunk type', 'chunk-type', raw(77, DATA)],
    [
      'block status',
      'chunk-unexpected',
      (wire, r, style) =>
        raw(
          style === 'extended' ? CHUNK.BLOCK_STATUS_EXT : CHUNK.BLOCK_STATUS,
          style === 'extended'
            ? Buffer.concat([u32(1), u32(1), u64(4096), u64(0)])
            : Buffer.concat([u32(1), u32(4096), u32(0)]),
        )(wire, r, style),
    ],
    [
      'a reply after the reply',
      'reply-cookie',
      both(data(4096, Buffer.alloc(1024)), data(4096, Buffer.alloc(1024))),
    ],
    [
      'an error message beyond its chunk',
      'chunk-length',
      raw(CHUNK.ERROR, Buffer.concat([u32(5), Buffer.from([0, 50])])),
    ],
    ['a short error chunk', 'chunk-length', raw(CHUNK.ERROR, u32(5))],
    ['an error chunk with error 0', 'chunk-content', raw(CHUNK.ERROR, errorPayload(0, 'fine'))],
    ['an error chunk of a megabyte', 'chunk-too-long', raw(CHUNK.ERROR, Buffer.alloc(1 << 20))],
    [
      'an error outside the request',
      'chunk-outside-request',
      raw(CHUNK.ERROR_OFFSET, Buffer.concat([errorPayload(5, ''), u64(0)])),
    ],
  ];
  for (const style of ['structured', 'extended'] as const) {
    test.each(cases)(`${style}: %s: %s`, async (what, violation, answer) => {
      const { client, error } = await answered(style, answer, async (client) => {
        await read(client);
        await read(client); // the second reply arrives when nothing, or another request, is in flight
      });
      expect(client.ended, what).toMatchObject({ name: 'NbdViolation', violation });
      expect(error).toBeInstanceOf(BlockError);
      expect(error).toMatchObject({ errno: 'EIO', operation: 'read', cause: client.ended });
    });
  }

  test('extended: another offset than the request had', async () => {
    const { client } = await answered(
      'extended',
      (wire, r, style) => wire.send(chunk(style, { ...r, offset: 0n }, CHUNK.NONE)),
      read,
    );
    expect(client.ended).toMatchObject({ violation: 'reply-offset' });
  });

  test('extended: a reply of 2^64 - 1 bytes', async () => {
    const { client } = await answered(
      'extended',
      (wire, r, style) => {
        const bytes = chunk(style, r, CHUNK.OFFSET_DATA);
        bytes.fill(0xff, 24, 32);
        wire.send(bytes);
      },
      read,
    );
    expect(client.ended).toMatchObject({ violation: 'reply-length' });
  });

  test('structured: a simple reply', async () => {
    const { client } = await answered(
      'structured',
      (wire, r) => wire.send(simpleReply(r.cookie, ERR.EINVAL)),
      read,
    );
    expect(client.ended).toMatchObject({ violation: 'reply-simple-to-read' });
  });

  test.each([
    ['simple', 'structured'],
    ['structured', 'extended'],
    ['extended', 'simple'],
    ['extended', 'structured'],
  ] as const)('%s: a reply in %s style', async (style, other) => {
    const { client } = await answered(
      style,
      (wire, r) =>
        wire.send(
          other === 'simple'
            ? simpleReply(r.cookie, 0, Buffer.alloc(1024))
            : chunk(other, r, CHUNK.NONE),
        ),
      read,
    );
    expect(client.ended).toMatchObject({ violation: 'reply-style' });
  });

  test('fragments in spite of DF', async () => {
    const answer = both(data(0, DATA, NOT_DONE), data(512, DATA));
    const { client } = await answered('structured', answer, (client) =>
      client.read(Buffer.alloc(1024), 0, { dontFragment: true }),
    );
    expect(client.ended).toMatchObject({ violation: 'chunk-fragmented' });
  });

  test('simple: a wrong cookie', async () => {
    const { client } = await answered(
      'simple',
      (wire, r) => wire.send(simpleReply(r.cookie ^ 1n)),
      read,
    );
    expect(client.ended).toMatchObject({ violation: 'reply-cookie' });
  });
});

describe('in the reply to block status', () => {
  const ext = (id: number, ...lengths: number[]) =>
    Buffer.concat([
      u32(id),
      u32(lengths.length),
      ...lengths.flatMap((length) => [u64(length), u64(0)]),
    ]);
  const status = (client: NbdClient) => client.blockStatus(0, 65_536);

  test.each<[string, string, Misbehaviour]>([
    ['nothing', 'status-missing', raw(CHUNK.NONE, Buffer.alloc(0))],
    ['an unknown context', 'status-context', raw(CHUNK.BLOCK_STATUS_EXT, ext(9, 512))],
    [
      'a context twice',
      'status-context',
      both(
        raw(CHUNK.BLOCK_STATUS_EXT, ext(1, 512), NOT_DONE),
        raw(CHUNK.BLOCK_STATUS_EXT, ext(1, 512)),
      ),
    ],
    ['no extents', 'chunk-length', raw(CHUNK.BLOCK_STATUS_EXT, ext(1))],
    ['an empty extent', 'chunk-content', raw(CHUNK.BLOCK_STATUS_EXT, ext(1, 512, 0))],
    [
      'a wrong count',
      'chunk-content',
      raw(CHUNK.BLOCK_STATUS_EXT, Buffer.concat([u32(1), u32(2), u64(1), u64(0)])),
    ],
    [
      'extents that start after the request',
      'status-extents',
      raw(CHUNK.BLOCK_STATUS_EXT, ext(1, 65_536, 512)),
    ],
    [
      'the compact chunk type',
      'chunk-type',
      raw(CHUNK.BLOCK_STATUS, Buffer.concat([u32(1), u32(512), u32(0)])),
    ],
    ['data', 'chunk-unexpected', raw(CHUNK.OFFSET_DATA, offsetData(0, DATA))],
  ])('%s: %s', async (_what, violation, answer) => {
    const { client, error } = await answered('extended', answer, status);
    expect(client.ended).toMatchObject({ violation });
    expect(error).toMatchObject({ errno: 'EIO', operation: 'extents' });
  });

  test.each([
    ['two extents', [512, 512]],
    ['one that is too long', [131_072]],
  ])('%s in spite of REQ_ONE', async (_what, lengths) => {
    const answer = raw(CHUNK.BLOCK_STATUS_EXT, ext(1, ...lengths));
    const { client } = await answered('extended', answer, (client) =>
      client.blockStatus(0, 65_536, { one: true }),
    );
    expect(client.ended).toMatchObject({ violation: 'status-extents' });
  });
});

describe('a write', () => {
  test('answered with content: chunk-unexpected', async () => {
    const { client } = await answered('structured', data(0, DATA), (client) =>
      client.write(DATA, 0),
    );
    expect(client.ended).toBeInstanceOf(NbdViolation);
    expect(client.ended).toMatchObject({ violation: 'chunk-unexpected' });
  });
});
