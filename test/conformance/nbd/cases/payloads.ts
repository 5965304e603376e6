/** What only structured replies and extended headers have: DF, errors in chunks, 64 bits, payload length. */
import { must, mustEqual, u32, u64 } from '../raw.ts';
import { dataOf } from '../reply.ts';
import { type Case, needs, needsStyle, pattern } from '../suite.ts';
import { CHUNK, CMD, CMD_FLAG, ERR, FLAG, MEBIBYTE } from '../values.ts';

const PAYLOAD_STYLES = ['structured', 'extended'] as const;

const reading: readonly Case[] = PAYLOAD_STYLES.flatMap((style): Case[] => [
  {
    id: `${style}-read-errors-in-chunks`,
    level: 'MUST',
    section: 'Structured reply chunk message',
    quote:
      'MUST NOT use a simple reply for NBD_CMD_READ (even for the case of an early NBD_EINVAL due to bad flags)',
    skip: needsStyle(style),
    run: async (lab) => {
      const session = await lab.transmission(style);
      for (const request of [
        { type: CMD.READ, flags: 1 << 14, length: 4096 },
        { type: CMD.READ, offset: lab.facts.size, length: 4096 },
        { type: CMD.READ, offset: 2n ** 63n, length: 4096 },
      ]) {
        const reply = await session.call(request);
        mustEqual(reply.style, style, 'style');
        mustEqual(reply.error, ERR.EINVAL, 'error');
      }
      await lab.alive(session);
    },
  },
  {
    id: `${style}-df`,
    level: 'MUST',
    section: 'Request types',
    quote:
      'the server MUST support unfragmented reads in which the client’s request length does not exceed 65,536 bytes … MUST send at most one content chunk … If the area being read contains both data and a hole, the server MUST use NBD_REPLY_TYPE_OFFSET_DATA',
    skip: needs.all(needsStyle(style), needs.writable),
    run: async (lab) => {
      const session = await lab.transmission(style);
      const expected = Buffer.alloc(65_536);
      pattern(4096, 5).copy(expected, 8192);
      pattern(4096, 6).copy(expected, 40_960);
      if (lab.has(FLAG.SEND_WRITE_ZEROES)) {
        await session.call({ type: CMD.WRITE_ZEROES, offset: 0, length: 65_536 });
      } else await session.call({ type: CMD.WRITE, offset: 0, payload: Buffer.alloc(65_536) });
      for (const at of [8192, 40_960]) {
        const payload = expected.subarray(at, at + 4096);
        await session.call({ type: CMD.WRITE, offset: at, payload });
      }
      const df = { type: CMD.READ, flags: CMD_FLAG.DF, offset: 0, length: 65_536 };
      const reply = await session.call(df);
      must(dataOf(df, reply).equals(expected), 'the bytes read differ');
      must(
        reply.chunks.some(({ type }) => type === CHUNK.OFFSET_DATA),
        'a hole for mixed data',
      );
      const plain = { type: CMD.READ, offset: 0, length: 65_536 };
      must(dataOf(plain, await session.call(plain)).equals(expected), 'the bytes read differ');
    },
  },
  {
    id: `${style}-df-large`,
    level: 'SHOULD',
    section: 'Request types',
    quote:
      "A server MAY reject a client's request with the error NBD_EOVERFLOW if the length is too large to send without fragmentation, in which case it MUST NOT send a content chunk",
    skip: needsStyle(style),
    run: async (lab) => {
      const session = await lab.transmission(style);
      const df = { type: CMD.READ, flags: CMD_FLAG.DF, offset: 0, length: 4 * MEBIBYTE };
      const reply = await session.call(df);
      if (reply.error === 0) dataOf(df, reply);
      else {
        mustEqual(reply.error, ERR.EOVERFLOW, 'error');
        must(!reply.chunks.some(({ type }) => type === CHUNK.OFFSET_DATA), 'content and EOVERFLOW');
      }
      await lab.alive(session);
    },
  },
  {
    id: `${style}-errors-preferred`,
    level: 'SHOULD',
    section: 'Structured reply chunk message',
    quote: 'The server SHOULD prefer sending errors via a structured reply',
    skip: needsStyle(style),
    run: async (lab) => {
      const session = await lab.transmission(style);
      mustEqual((await session.call({ type: 0x77, length: 512 })).style, style, 'style');
    },
  },
  {
    id: `${style}-holes-read-as-zeroes`,
    level: 'MUST',
    section: 'Structured reply types',
    quote: 'NBD_REPLY_TYPE_OFFSET_HOLE: … read as all zeroes',
    skip: needs.all(needsStyle(style), needs.flag(FLAG.SEND_WRITE_ZEROES, 'SEND_WRITE_ZEROES')),
    run: async (lab) => {
      const session = await lab.transmission(style);
      const offset = 2 * MEBIBYTE;
      await session.call({ type: CMD.WRITE, offset, payload: pattern(4 * MEBIBYTE, 2) });
      const zero = { type: CMD.WRITE_ZEROES, offset: offset + 4096, length: 2 * MEBIBYTE };
      mustEqual((await session.call(zero)).error, 0, 'error of WRITE_ZEROES');
      const expected = pattern(4 * MEBIBYTE, 2);
      expected.fill(0, 4096, 4096 + 2 * MEBIBYTE);
      const read = { type: CMD.READ, offset, length: 4 * MEBIBYTE };
      must(dataOf(read, await session.call(read)).equals(expected), 'the bytes read differ');
    },
  },
]);

const compactOnly: readonly Case[] = [
  {
    id: 'payload-flag-without-extended',
    level: 'SHOULD',
    section: 'Request message',
    quote:
      'In the compact style, the client MUST NOT use the NBD_CMD_FLAG_PAYLOAD_LEN flag; [unknown or inapplicable flags] SHOULD return NBD_EINVAL',
    skip: needs.writable,
    run: async (lab) => {
      const session = await lab.transmission();
      const flags = CMD_FLAG.PAYLOAD_LEN;
      const payload = pattern(4096, 1);
      mustEqual(
        (await session.call({ type: CMD.READ, flags, length: 4096 })).error,
        ERR.EINVAL,
        'READ',
      );
      mustEqual(
        (await session.call({ type: CMD.WRITE, flags, payload })).error,
        ERR.EINVAL,
        'WRITE',
      );
      await lab.alive(session);
    },
  },
];

/** 64-bit effect lengths that reach beyond any export. */
const HUGE = [2n ** 32n, 2n ** 40n, 2n ** 63n, 2n ** 64n - 1n];

const extended: readonly Case[] = [
  {
    id: 'extended-write-without-payload-flag',
    level: 'SHOULD',
    section: 'Command flags',
    quote:
      'the flag MUST be set for NBD_CMD_WRITE (as the write command always sends a payload of the bytes to be written): executed or refused, the payload of one without it is no request',
    skip: needs.all(needs.extended, needs.writable),
    run: async (lab) => {
      const session = await lab.transmission('extended');
      const payload = pattern(4096, 8);
      const write = { type: CMD.WRITE, offset: 0, length: payload.length };
      const { bytes, cookie } = session.encode(write);
      session.expect(cookie, write);
      session.wire.send(bytes, payload);
      const { error } = await session.reply();
      must(error === 0 || error === ERR.EINVAL, `error ${error}`);
      await lab.alive(session);
    },
  },
  {
    id: 'extended-unexpected-payload',
    level: 'SHOULD',
    section: 'Request message',
    quote:
      'a server SHOULD gracefully consume length bytes of payload (even if it then replies with an NBD_EINVAL failure because the particular command was not expecting a payload), and proceed with the next client command',
    skip: needs.extended,
    run: async (lab) => {
      const session = await lab.transmission('extended');
      const names = ['READ', 'FLUSH', 'TRIM', 'CACHE', 'WRITE_ZEROES', 'BLOCK_STATUS'] as const;
      for (const name of names) {
        const payload = session.encode({ type: CMD.DISC }).bytes;
        const reply = await session.call({ type: CMD[name], offset: 0, payload });
        mustEqual(reply.error, ERR.EINVAL, `error of ${name}`);
      }
      const unknown = await session.call({ type: 0x4242, offset: 0, payload: pattern(70_000, 1) });
      mustEqual(unknown.error, ERR.EINVAL, 'error of an unknown command');
      await lab.alive(session);
    },
  },
  {
    id: 'extended-payload-too-long',
    level: 'SHOULD',
    section: 'Request message',
    quote:
      "A server SHOULD initiate hard disconnect if a client sets the NBD_CMD_FLAG_PAYLOAD_LEN flag and uses a length larger than a server's advertised or default maximum payload length",
    skip: needs.extended,
    run: async (lab) => {
      for (const length of [2n ** 32n, 2n ** 40n, 2n ** 64n - 1n]) {
        const session = await lab.transmission('extended');
        const flags = CMD_FLAG.PAYLOAD_LEN;
        session.wire.send(session.encode({ type: CMD.WRITE, flags, length }).bytes);
        await session.wire.closed();
      }
      await lab.serving();
    },
  },
  {
    id: 'extended-64-bit-length',
    level: 'MUST',
    section: 'Request message',
    quote: 'only when length is used as an effect length will it utilize a full 64-bit value',
    skip: needs.all(needs.extended, (lab) => lab.facts.size >= 2 ** 32 && 'the export is large'),
    run: async (lab) => {
      const session = await lab.transmission('extended');
      for (const length of HUGE) {
        for (const name of ['READ', 'TRIM', 'WRITE_ZEROES', 'CACHE'] as const) {
          const reply = await session.call({ type: CMD[name], offset: 4096, length });
          must(reply.error !== 0, `${name} of 2^${Math.log2(Number(length))} bytes succeeded`);
        }
      }
      await lab.alive(session);
    },
  },
  {
    id: 'extended-64-bit-effect',
    level: 'MUST',
    section: 'Request message',
    quote:
      'Extended messages make it possible to perform 64-bit transactions (a server MAY answer NBD_EOVERFLOW or NBD_EINVAL, and must not take the low 32 bits for the length)',
    skip: needs.all(
      needs.extended,
      needs.flag(FLAG.SEND_WRITE_ZEROES, 'SEND_WRITE_ZEROES'),
      (lab) => lab.facts.size < 2 ** 34 && 'the export is smaller than 16 GiB',
    ),
    run: async (lab) => {
      const session = await lab.transmission('extended');
      const marks = [0, 2 ** 32 - 4096, 2 ** 32 + 65_536, 2 ** 33 + 65_536];
      for (const offset of marks) {
        await session.call({ type: CMD.WRITE, offset, payload: pattern(4096, 3) });
      }
      const zero = { type: CMD.WRITE_ZEROES, offset: 0, length: 2n ** 33n + 65_536n };
      const { error } = await session.call(zero);
      must([0, ERR.EOVERFLOW, ERR.EINVAL].includes(error as 0), `error ${error}`);
      for (const offset of marks) {
        const read = { type: CMD.READ, offset, length: 4096 };
        const bytes = dataOf(read, await session.call(read));
        const zeroed = error === 0 && offset < 2 ** 33 + 65_536;
        must(
          bytes.equals(zeroed ? Buffer.alloc(4096) : pattern(4096, 3)),
          `wrong bytes at ${offset}`,
        );
      }
    },
  },
  {
    id: 'extended-offset-echoed',
    level: 'MUST',
    section: 'Extended reply chunk message',
    quote: "an additional field offset which MUST match the offset of the client's request",
    skip: needs.extended,
    run: async (lab) => {
      const session = await lab.transmission('extended');
      // Session checks it of every reply; here with offsets that only errors can have.
      for (const offset of [0n, 65_536n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
        await session.call({ type: CMD.READ, offset, length: 4096 });
        await session.call({ type: 0x99, offset, length: 4096 });
      }
    },
  },
];

const statusPayload = (length: number | bigint, ids: readonly number[]) =>
  Buffer.concat([u64(length), ...ids.map(u32)]);

const blockStatusPayload: readonly Case[] = [
  {
    id: 'status-payload-advertised',
    level: 'SHOULD',
    section: 'Transmission flags',
    quote:
      'NBD_FLAG_BLOCK_STATUS_PAYLOAD: Indicates that the server understands the use of the NBD_CMD_FLAG_PAYLOAD_LEN flag to NBD_CMD_BLOCK_STATUS',
    skip: needs.all(needs.extended, needs.allocation),
    run: async (lab) => {
      const { session, id, facts } = await lab.allocation('extended');
      const payload = statusPayload(65_536, [id]);
      const reply = await session.call({ type: CMD.BLOCK_STATUS, offset: 0, payload });
      const advertised = (facts.flags & FLAG.BLOCK_STATUS_PAYLOAD) !== 0;
      mustEqual(reply.error, advertised ? 0 : ERR.EINVAL, 'error');
      if (advertised) mustEqual(reply.chunks[0]!.type, CHUNK.BLOCK_STATUS_EXT, 'chunk type');
    },
  },
  {
    id: 'status-payload-bad-ids',
    level: 'MUST',
    section: 'Request types',
    quote:
      "If the server … detects duplicate or unknown metacontext ids in the client's payload, the server MUST gracefully consume the client's payload before failing with NBD_EINVAL",
    skip: needs.all(needs.extended, needs.allocation),
    run: async (lab) => {
      const { session, id } = await lab.allocation('extended');
      for (const payload of [
        statusPayload(65_536, [id, id]),
        statusPayload(65_536, [id + 1]),
        statusPayload(65_536, [id, id ^ 0x80000000]),
        statusPayload(65_536, [id]).subarray(0, 11),
        Buffer.alloc(4),
        Buffer.concat([statusPayload(65_536, [id]), Buffer.alloc(1)]),
        statusPayload(
          65_536,
          Array.from({ length: 5000 }, (_, index) => index),
        ),
      ]) {
        const reply = await session.call({ type: CMD.BLOCK_STATUS, offset: 0, payload });
        mustEqual(reply.error, ERR.EINVAL, `error with a payload of ${payload.length} bytes`);
      }
      await lab.alive(session);
    },
  },
];

export const payloadCases: readonly Case[] = [
  ...reading,
  ...compactOnly,
  ...extended,
  ...blockStatusPayload,
];
