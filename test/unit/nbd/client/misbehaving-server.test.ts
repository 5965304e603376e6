/** One test for every way in which a server can break the protocol: the connection ends, with the right name. */
import { afterEach, describe, expect, test } from 'vitest';
import { BlockError } from '../../../../src/errors/index.ts';
import { connectNbd, type NbdClient, NbdViolation } from '../../../../src/nbd/index.ts';
import { CHUNK, ERR, OPT, REP } from '../../../conformance/nbd/values.ts';
import {
  chunk,
  errorPayload,
  type FakeServer,
  fakeServer,
  greeting,
  honestHandshake,
  infoBlockSize,
  infoExport,
  offsetData,
  offsetHole,
  optionReply,
  type ReceivedRequest,
  readOption,
  readRequest,
  SIZE,
  type Style,
  simpleReply,
  u32,
  u64,
  type Wire,
} from '../../../support/nbd-fake-server.ts';

let server: FakeServer;
afterEach(() => server.close());

async function connectTo(script: (wire: Wire) => Promise<void>, style: Style = 'extended') {
  server = await fakeServer(script);
  return connectNbd(`nbd://127.0.0.1:${server.port}/x`, { style });
}

/** A greeting as given, then whatever the test sends to GO. */
const afterGo =
  (...replies: Buffer[]) =>
  (wire: Wire) =>
    honestHandshake(wire, { style: 'simple', go: replies });

const sound = optionReply(OPT.GO, REP.INFO, infoExport(SIZE, 1));
const ack = optionReply(OPT.GO, REP.ACK);
const sizes = (minimum: number, preferred: number, maximum: number) =>
  afterGo(sound, optionReply(OPT.GO, REP.INFO, infoBlockSize(minimum, preferred, maximum)), ack);

describe('in the handshake', () => {
  test.each<[string, string, (wire: Wire) => Promise<void>]>([
    [
      'not NBD at all',
      'not-nbd',
      async (wire) => wire.send(Buffer.from('HTTP/1.1 400 Bad Request\r\n')),
    ],
    [
      'the oldstyle handshake',
      'oldstyle-server',
      async (wire) =>
        wire.send(greeting().subarray(0, 8), u64(0x00420281861253n), Buffer.alloc(136)),
    ],
    [
      'an unknown second magic',
      'unknown-style',
      async (wire) => wire.send(greeting().subarray(0, 8), u64(1), u32(0)),
    ],
    [
      'a wrong option reply magic',
      'option-reply-magic',
      afterGo(Buffer.concat([u64(7), sound.subarray(8)])),
    ],
    ['a reply to another option', 'option-reply-code', afterGo(optionReply(OPT.LIST, REP.ACK))],
    ['an ACK with data', 'option-reply-data', afterGo(optionReply(OPT.GO, REP.ACK, u32(1)))],
    ['an unknown reply type', 'option-reply-type', afterGo(optionReply(OPT.GO, 99))],
    [
      'a reply of 4 GiB',
      'option-reply-length',
      afterGo(Buffer.concat([ack.subarray(0, 16), u32(0xffffffff)])),
    ],
    ['GO without NBD_INFO_EXPORT', 'info-export-missing', afterGo(ack)],
    [
      'a short NBD_INFO_EXPORT',
      'option-reply-data',
      afterGo(optionReply(OPT.GO, REP.INFO, infoExport(1, 1).subarray(0, 11))),
    ],
    [
      'NBD_REP_SERVER to GO',
      'option-reply-unexpected',
      afterGo(optionReply(OPT.GO, REP.SERVER, u32(0)), sound, ack),
    ],
    [
      'a size of 2^63',
      'export-size',
      afterGo(optionReply(OPT.GO, REP.INFO, infoExport(2n ** 63n, 1)), ack),
    ],
    ['a minimum block of 0', 'block-size', sizes(0, 4096, 1 << 25)],
    ['a minimum block of 3', 'block-size', sizes(3, 4096, 1 << 25)],
    ['a minimum block of 128 KiB', 'block-size', sizes(1 << 17, 1 << 17, 1 << 25)],
    ['a preferred block below the minimum', 'block-size', sizes(4096, 512, 1 << 25)],
    ['a maximum below the preferred', 'block-size', sizes(1, 4096, 512)],
    [
      'endless replies',
      'option-reply-endless',
      afterGo(...Array.from({ length: 1100 }, () => sound)),
    ],
  ])('%s: %s', async (_what, violation, script) => {
    await expect(connectTo(script)).rejects.toMatchObject({ name: 'NbdViolation', violation });
  });

  test('two contexts with one id', async () => {
    const context = (name: string) =>
      optionReply(
        OPT.SET_META_CONTEXT,
        REP.META_CONTEXT,
        Buffer.concat([u32(5), Buffer.from(name)]),
      );
    const connecting = connectTo(async (wire) => {
      wire.send(greeting());
      await wire.read(4);
      for (;;) {
        const { option } = await readOption(wire);
        const contexts =
          option === OPT.SET_META_CONTEXT ? [context('base:a'), context('base:b')] : [];
        wire.send(...contexts, optionReply(option, REP.ACK));
      }
    });
    await expect(connecting).rejects.toMatchObject({ violation: 'context-duplicate' });
  });

  test('bytes in plain text behind the acknowledgement of STARTTLS', async () => {
    server = await fakeServer(async (wire) => {
      wire.send(greeting());
      await wire.read(4);
      const { option } = await readOption(wire);
      wire.send(optionReply(option, REP.ACK), optionReply(OPT.GO, REP.ACK));
      await wire.drain();
    });
    const connecting = connectNbd(`nbd://127.0.0.1:${server.port}/x`, { tls: 'require' });
    await expect(connecting).rejects.toMatchObject({ violation: 'data-after-starttls' });
  });

  test.each([
    ['before the greeting', async () => {}],
    ['within the greeting', async (wire: Wire) => wire.send(greeting().subarray(0, 10))],
    [
      'instead of an answer',
      async (wire: Wire) => {
        wire.send(greeting());
        await wire.read(4);
      },
    ],
  ])('a server that closes %s is unavailable', async (_when, script) => {
    await expect(connectTo(script)).rejects.toMatchObject({ name: 'Fault', code: 'UNAVAILABLE' });
  });

  test('a server that says nothing is given up after the time limit', async () => {
    server = await fakeServer((wire) => wire.closed());
    let expire: (() => void) | undefined;
    const timers = {
      now: () => 0,
      after: (_ms: number, action: () => void) => {
        expire = action;
        return () => {};
      },
    };
    const connecting = connectNbd(`nbd://127.0.0.1:${server.port}/x`, { timers });
    const refused = expect(connecting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expire?.();
    await refused;
  });
});

type Misbehaviour = (wire: Wire, request: ReceivedRequest, style: Style) => void;

/** Runs one command against a server that answers it as given. */
async function answered(
  style: Style,
  answer: Misbehaviour,
  use: (client: NbdClient) => Promise<unknown>,
  contexts: readonly string[] = ['base:allocation'],
): Promise<{ client: NbdClient; error: unknown }> {
  const client = await connectTo(async (wire) => {
    await honestHandshake(wire, { style, contexts });
    for (;;) answer(wire, await readRequest(wire, style), style);
  }, style);
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
