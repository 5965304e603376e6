/** Message stream of the transmission phase: cookies, pipelining, garbage, disconnects, many clients. */
import { must, mustEqual, u16, u32, u64 } from '../raw.ts';
import type { Request } from '../reply.ts';
import { dataOf } from '../reply.ts';
import { type Case, type Lab, needs, needsStyle, pattern, STYLES } from '../suite.ts';
import {
  CMD,
  EXTENDED_REQUEST_MAGIC,
  FLAG,
  MEBIBYTE,
  OPT,
  REQUEST_MAGIC,
  SIMPLE_REPLY_MAGIC,
} from '../values.ts';

const COOKIES = [0n, 1n, 0xffff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, 0x6744_6698_0000_0000n];

const stream: readonly Case[] = STYLES.flatMap((style): Case[] => [
  {
    id: `${style}-cookies`,
    level: 'MUST',
    section: 'Transmission',
    quote:
      'In each reply message, the server MUST use the same value for cookie as was sent by the client in the corresponding request, treating the cookie as an opaque field',
    skip: needsStyle(style),
    run: async (lab) => {
      const session = await lab.transmission(style);
      for (const cookie of COOKIES) {
        await session.call({ type: CMD.READ, length: 4096, cookie });
        await session.call({ type: 0x99, length: 4096, cookie }); // and in errors
      }
    },
  },
  {
    id: `${style}-pipelined`,
    level: 'MUST',
    section: 'Transmission',
    quote: 'Replies need not be sent in the same order as requests (each exactly once)',
    skip: needsStyle(style),
    run: async (lab) => {
      const session = await lab.transmission(style);
      const requests = Array.from({ length: 200 }, (_, index): Request => {
        const offset = (index % 50) * 4096;
        return index % 10 === 9
          ? { type: 0x55, offset, length: 4096 }
          : { type: CMD.READ, offset, length: 4096 };
      });
      const cookies = session.send(...requests);
      for (let left = requests.length; left > 0; left -= 1) {
        const reply = await session.reply();
        const request = requests[cookies.indexOf(reply.cookie)]!;
        if (request.type === CMD.READ) dataOf(request, reply);
        else must(reply.error !== 0, 'an unknown command succeeded');
      }
      await lab.alive(session);
    },
  },
  {
    id: `${style}-request-in-pieces`,
    level: 'MUST',
    section: 'Request message',
    quote: 'The compact request message … looks as follows (a stream has no message boundaries)',
    skip: (lab) => needsStyle(style)(lab) || needs.writable(lab) || undefined,
    run: async (lab) => {
      const session = await lab.transmission(style);
      const payload = pattern(Math.max(512, lab.facts.minimumBlock), 1);
      const request = { type: CMD.WRITE, offset: 0, payload };
      const { bytes, cookie } = session.encode(request);
      session.expect(cookie, request);
      await session.wire.dribble(bytes.subarray(0, 100));
      session.wire.send(bytes.subarray(100));
      mustEqual((await session.reply()).error, 0, 'error of WRITE');
      const read = { type: CMD.READ, offset: 0, length: payload.length };
      must(dataOf(read, await session.call(read)).equals(payload), 'the bytes read differ');
    },
  },
  {
    id: `${style}-disc`,
    level: 'MUST',
    section: 'Request types',
    quote:
      'NBD_CMD_DISC: The server MUST handle all outstanding requests, shut down the TLS session, and close the TCP session. There is no reply to an NBD_CMD_DISC',
    skip: needsStyle(style),
    run: async (lab) => {
      const session = await lab.transmission(style);
      const requests = Array.from(
        { length: 16 },
        (_, index): Request => ({ type: CMD.READ, offset: index * 65_536, length: 65_536 }),
      );
      session.send(...requests);
      session.wire.send(session.encode({ type: CMD.DISC }).bytes);
      for (let left = requests.length; left > 0; left -= 1) {
        mustEqual((await session.reply()).error, 0, 'error of an outstanding READ');
      }
      await session.wire.closed();
    },
  },
  {
    id: `${style}-disc-keeps-writes`,
    level: 'MUST',
    section: 'Request types',
    quote: 'NBD_CMD_DISC: The server MUST handle all outstanding requests',
    skip: (lab) => needsStyle(style)(lab) || needs.writable(lab) || undefined,
    run: async (lab) => {
      const session = await lab.transmission(style);
      const payload = pattern(MEBIBYTE, 33);
      session.send({ type: CMD.WRITE, offset: MEBIBYTE, payload });
      session.wire.send(session.encode({ type: CMD.DISC }).bytes);
      await session.reply();
      await session.wire.closed();
      const next = await lab.transmission();
      const read = { type: CMD.READ, offset: MEBIBYTE, length: MEBIBYTE };
      must(dataOf(read, await next.call(read)).equals(payload), 'the write is lost');
    },
  },
]);

const other = (magic: number) =>
  Buffer.concat([u32(magic), u16(0), u16(0), u64(1), u64(0), u64(512)]);

/** What is not a request, by what it is. */
const GARBAGE: readonly (readonly [string, Buffer])[] = [
  ['old-request-magic', other(0x12560953)],
  ['log-magic', other(0x25609514)],
  ['reply-magic', other(SIMPLE_REPLY_MAGIC)],
  ['option', Buffer.concat([u64(0x49484156454f5054n), u32(OPT.LIST), u32(0), Buffer.alloc(32)])],
  ['zeroes', Buffer.alloc(4096)],
  ['ones', Buffer.alloc(4096, 0xff)],
];

const garbage: readonly Case[] = STYLES.flatMap((style) =>
  [
    ...GARBAGE,
    ['wrong-style', other(style === 'extended' ? REQUEST_MAGIC : EXTENDED_REQUEST_MAGIC)] as const,
  ].map(
    ([what, bytes]): Case => ({
      id: `${style}-garbage-${what}`,
      level: 'SHOULD',
      section: 'Terminating the transmission phase',
      quote:
        'Either side MAY initiate a hard disconnect if it detects a violation by the other party of a mandatory condition (nothing can be parsed after a wrong magic)',
      skip: needsStyle(style),
      run: async (lab) => {
        const session = await lab.transmission(style);
        await lab.alive(session);
        session.wire.send(bytes);
        await session.wire.drain(); // qemu-nbd sends an error first, which harms nobody
        await lab.serving();
      },
    }),
  ),
);

const oversized: readonly Case[] = [
  {
    id: 'write-4-gib',
    level: 'MUST',
    section: 'Size constraints',
    quote:
      'either the server or the client MAY initiate a hard disconnect if a payload length of either a request or a reply would be large enough to be deemed a denial of service attack',
    skip: needs.writable,
    run: async (lab) => {
      const session = await lab.transmission();
      const { bytes } = session.encode({ type: CMD.WRITE, offset: 0, length: 0xffffffff });
      session.wire.send(bytes, Buffer.alloc(65_536));
      session.wire.end(); // a server that skips the payload must see that it never comes
      await session.wire.drain();
      await lab.serving();
    },
  },
  {
    id: 'read-4-gib',
    level: 'SHOULD',
    section: 'Request types',
    quote: 'any client request with a length larger than the maximum payload size will fail',
    skip: (lab) => lab.facts.size > 0xffffffff && 'the export is larger than 4 GiB',
    run: async (lab) => {
      const session = await lab.transmission();
      const reply = await session.call({ type: CMD.READ, offset: 0, length: 0xffffffff });
      must(reply.error !== 0, 'a READ of 4 GiB succeeded');
      await lab.alive(session);
    },
  },
];

/** States of transmission in which a client may vanish. */
const VANISHING: readonly (readonly [string, (lab: Lab) => Promise<() => void>])[] = [
  [
    'idle',
    async (lab) => {
      const session = await lab.transmission();
      return () => session.wire.destroy();
    },
  ],
  [
    'half-request',
    async (lab) => {
      const session = await lab.transmission();
      session.wire.send(session.encode({ type: CMD.READ, length: 4096 }).bytes.subarray(0, 13));
      return () => session.wire.reset();
    },
  ],
  [
    'half-payload',
    async (lab) => {
      const session = await lab.transmission();
      const { bytes } = session.encode({ type: CMD.WRITE, payload: Buffer.alloc(65_536) });
      session.wire.send(bytes.subarray(0, 30_000));
      return () => session.wire.reset();
    },
  ],
  [
    'unread-replies',
    async (lab) => {
      const session = await lab.transmission();
      session.wire.pause();
      const reads = Array.from(
        { length: 32 },
        (): Request => ({ type: CMD.READ, length: MEBIBYTE }),
      );
      session.send(...reads);
      return () => session.wire.reset();
    },
  ],
];

const disconnects: readonly Case[] = VANISHING.map(
  ([state, enter]): Case => ({
    id: `client-vanishes-${state}`,
    level: 'MUST',
    section: 'Terminating the transmission phase',
    quote: 'The client or the server drops the TCP session (and other clients must not notice)',
    run: async (lab) => {
      const other = await lab.transmission();
      const vanish = await enter(lab);
      vanish();
      await lab.alive(other);
      await lab.serving();
    },
  }),
);

const several: readonly Case[] = [
  {
    id: 'half-payload-changes-nothing',
    level: 'SHOULD',
    section: 'Request types',
    quote:
      'The client MUST follow the request header with length number of bytes (a request that never arrived whole is not executed)',
    skip: needs.writable,
    run: async (lab) => {
      const session = await lab.transmission();
      const before = pattern(65_536, 40);
      await session.call({ type: CMD.WRITE, offset: 0, payload: before });
      const { bytes } = session.encode({ type: CMD.WRITE, payload: Buffer.alloc(65_536, 0xdd) });
      session.wire.send(bytes.subarray(0, 60_000));
      session.wire.end();
      await session.wire.closed();
      const next = await lab.transmission();
      const read = { type: CMD.READ, offset: 0, length: 65_536 };
      must(dataOf(read, await next.call(read)).equals(before), 'half a write was executed');
    },
  },
  {
    id: 'multi-conn',
    level: 'MUST',
    section: 'Transmission flags',
    quote:
      'CAN_MULTI_CONN: the effects of NBD_CMD_FLUSH and NBD_CMD_FLAG_FUA MUST be visible across all connections when the server sends its reply',
    skip: needs.all(needs.writable, needs.flag(FLAG.CAN_MULTI_CONN, 'CAN_MULTI_CONN')),
    run: async (lab) => {
      const [writer, flusher, reader] = [
        await lab.transmission(),
        await lab.transmission(),
        await lab.transmission(),
      ];
      for (let round = 0; round < 8; round += 1) {
        const payload = pattern(65_536, round);
        const read = { type: CMD.READ, offset: 0, length: 65_536 };
        await reader.call(read); // so that a private cache would be caught
        await writer.call({ type: CMD.WRITE, offset: 0, payload });
        if (lab.has(FLAG.SEND_FLUSH)) await flusher.call({ type: CMD.FLUSH });
        must(dataOf(read, await reader.call(read)).equals(payload), `round ${round}: old bytes`);
      }
    },
  },
  {
    id: 'overlapping-writes',
    level: 'SHOULD',
    section: 'Ordering of messages and writes',
    quote:
      'The server MAY process commands out of order (a unit is then of one write or the other, never torn below the minimum block)',
    skip: needs.writable,
    run: async (lab) => {
      const session = await lab.transmission();
      const unit = Math.max(512, lab.facts.minimumBlock);
      const writes = Array.from(
        { length: 16 },
        (_, index): Request => ({
          type: CMD.WRITE,
          offset: 0,
          payload: Buffer.alloc(65_536, index + 1),
        }),
      );
      session.send(...writes);
      for (const _ of writes) mustEqual((await session.reply()).error, 0, 'error of WRITE');
      const read = { type: CMD.READ, offset: 0, length: 65_536 };
      const bytes = dataOf(read, await session.call(read));
      for (let at = 0; at < bytes.length; at += unit) {
        const [first] = bytes.subarray(at);
        must(
          bytes.subarray(at, at + unit).every((byte) => byte === first),
          `a torn unit at ${at}`,
        );
        must(first! >= 1 && first! <= 16, `a byte that nobody wrote at ${at}`);
      }
    },
  },
];

export const transmissionCases: readonly Case[] = [
  ...stream,
  ...garbage,
  ...oversized,
  ...disconnects,
  ...several,
];
