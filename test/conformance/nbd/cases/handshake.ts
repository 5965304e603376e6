/** Greeting, client flags, the generic option format, ABORT, LIST, EXPORT_NAME. */
import { must, mustEqual, u16, u32, u64 } from '../raw.ts';
import { checkText, optionHeader } from '../session.ts';
import { type Case, type Lab, needs, refused } from '../suite.ts';
import { CMD, FLAG, HANDSHAKE, OPT, REP, REP_ERR, STRING_LIMIT } from '../values.ts';

const dropsFlags =
  (flags: number) =>
  async (lab: Lab): Promise<void> => {
    const session = await lab.greeted(flags);
    // An option that every server answers: were the flags accepted, there would be bytes.
    session.sendOption(OPT.LIST);
    await session.wire.closed();
    await lab.serving();
  };

const unknownOption =
  (option: number, data: Buffer) =>
  async (lab: Lab): Promise<void> => {
    const session = await lab.haggling();
    await refused(session, option, data, [REP_ERR.UNSUP]);
  };

const greeting: readonly Case[] = [
  {
    id: 'greeting',
    level: 'MUST',
    section: 'Handshake flags',
    quote:
      'NBD_FLAG_FIXED_NEWSTYLE; MUST be set by servers that support the fixed newstyle protocol',
    run: async (lab) => {
      const flags = await (await lab.connect()).hello();
      must((flags & HANDSHAKE.FIXED_NEWSTYLE) !== 0, 'NBD_FLAG_FIXED_NEWSTYLE is clear');
    },
  },
  {
    id: 'greeting-no-other-flags',
    level: 'MUST',
    section: 'Handshake flags',
    quote: 'The server MUST NOT set any other flags',
    run: async (lab) => {
      const flags = await (await lab.connect()).hello();
      mustEqual(flags & ~3, 0, 'other handshake flags');
    },
  },
  ...[2, 3, 15, 31].map(
    (bit): Case => ({
      id: `unknown-client-flag-${bit}`,
      level: 'MUST',
      section: 'Client flags',
      quote: 'the server MUST drop the TCP connection if the client sets an unknown flag',
      run: dropsFlags((HANDSHAKE.FIXED_NEWSTYLE | (2 ** bit)) >>> 0),
    }),
  ),
  {
    id: 'greeting-in-pieces',
    level: 'MUST',
    section: 'Fixed newstyle negotiation',
    quote: 'The generic format of setting an option (a stream has no message boundaries)',
    skip: needs.plain,
    run: async (lab) => {
      const session = await lab.connect();
      await session.hello();
      await session.wire.dribble(Buffer.concat([u32(3), optionHeader(OPT.LIST, 0)]));
      mustEqual((await session.optionReplies(OPT.LIST)).at(-1)!.type, REP.ACK, 'reply to LIST');
    },
  },
];

const options: readonly Case[] = [
  {
    id: 'option-magic-wrong',
    level: 'SHOULD',
    section: 'Termination of the session during option haggling',
    quote:
      'If either the client or the server detects a violation of a mandatory condition, it MAY initiate a hard disconnect',
    run: async (lab) => {
      const session = await lab.haggling();
      session.wire.send(u64(0x49484156454f5055n), u32(OPT.LIST), u32(0));
      await session.wire.closed();
      await lab.serving();
    },
  },
  {
    id: 'option-garbage',
    level: 'SHOULD',
    section: 'Termination of the session during option haggling',
    quote:
      'If either the client or the server detects a violation of a mandatory condition, it MAY initiate a hard disconnect',
    run: async (lab) => {
      const session = await lab.haggling();
      session.wire.send(Buffer.alloc(4096, 0xa5));
      await session.wire.closed();
      await lab.serving();
    },
  },
  ...[0, 12, 0x1234, 0xffffffff].map(
    (option): Case => ({
      id: `option-unknown-${option}`,
      level: 'MUST',
      section: 'Baseline',
      quote:
        'Servers that receive messages which they do not implement MUST reply to them with NBD_REP_ERR_UNSUP, and MUST NOT fail to parse the next message received',
      run: unknownOption(option, Buffer.alloc(0)),
    }),
  ),
  {
    id: 'option-unknown-with-data',
    level: 'MUST',
    section: 'Newstyle negotiation',
    quote:
      'The presence of the option length in every option allows the server to skip any options presented by the client that it does not understand',
    run: unknownOption(0x1234, Buffer.alloc(1000, 0x49)),
  },
  {
    id: 'option-peek-export',
    level: 'MUST',
    section: 'Option types',
    quote:
      'NBD_OPT_PEEK_EXPORT was defined by the (withdrawn) experimental PEEK_EXPORT extension; not in use',
    run: unknownOption(OPT.PEEK_EXPORT, Buffer.alloc(0)),
  },
  {
    id: 'option-oversized',
    level: 'SHOULD',
    section: 'Termination of the session during option haggling',
    quote:
      "if a server believes a client's behaviour constitutes a denial of service, it MAY initiate a hard disconnect",
    run: async (lab) => {
      const session = await lab.haggling();
      session.wire.send(optionHeader(OPT.GO, 0xffffffff), Buffer.alloc(65_536));
      // An error reply first is as good; data of 4 GiB is not to be waited for.
      await session.wire.drain();
      await lab.serving();
    },
  },
  {
    id: 'abort',
    level: 'MUST',
    section: 'Option types',
    quote: 'NBD_OPT_ABORT … The server MUST reply with NBD_REP_ACK',
    run: async (lab) => {
      const session = await lab.haggling();
      mustEqual(await session.optionResult(OPT.ABORT), REP.ACK, 'reply to ABORT');
      session.wire.end();
      await session.wire.closed();
    },
  },
  {
    id: 'abort-with-data',
    level: 'SHOULD',
    section: 'Option types',
    quote:
      'a server SHOULD ignore any data sent by the client rather than rejecting the request as invalid',
    run: async (lab) => {
      const session = await lab.haggling();
      const type = await session.optionResult(OPT.ABORT, Buffer.from('goodbye'));
      mustEqual(type, REP.ACK, 'reply to ABORT');
    },
  },
  {
    id: 'abort-and-gone',
    level: 'SHOULD',
    section: 'Option types',
    quote:
      'the server SHOULD gracefully handle the client sending an NBD_OPT_ABORT and closing the connection without waiting for a reply',
    run: async (lab) => {
      const session = await lab.haggling();
      session.sendOption(OPT.ABORT);
      session.wire.destroy();
      await lab.serving();
    },
  },
  {
    id: 'list',
    level: 'MUST',
    section: 'Option types',
    quote:
      'NBD_OPT_LIST: zero or more NBD_REP_SERVER replies, one for each export, followed by NBD_REP_ACK or an error; length of name MUST be no larger than the reply packet header length - 4',
    run: async (lab) => {
      const session = await lab.haggling();
      const replies = await session.optionOk(OPT.LIST);
      for (const { type, data } of replies) {
        mustEqual(type, REP.SERVER, 'reply type');
        must(data.length >= 4, 'NBD_REP_SERVER without the length of its name');
        const length = data.readUInt32BE(0);
        must(length <= data.length - 4, 'the name is longer than its reply');
        checkText(data.subarray(4, 4 + length), 'name of an export');
        checkText(data.subarray(4 + length), 'description of an export');
      }
    },
  },
  {
    id: 'list-with-data',
    level: 'SHOULD',
    section: 'Option types',
    quote: 'the server SHOULD reject a request that includes data with NBD_REP_ERR_INVALID',
    run: async (lab) => {
      const session = await lab.haggling();
      await refused(session, OPT.LIST, Buffer.from('x'), [REP_ERR.INVALID]);
    },
  },
];

const exportName: readonly Case[] = [
  {
    id: 'export-name-zeroes',
    level: 'MUST',
    section: 'Newstyle negotiation',
    quote:
      '124 bytes, zeroes (reserved) (unless NBD_FLAG_C_NO_ZEROES was negotiated by the client)',
    run: async (lab) => {
      const session = await lab.haggling(HANDSHAKE.FIXED_NEWSTYLE);
      const facts = await session.exportName(lab.name, true);
      mustEqual(facts.size, lab.facts.size, 'size');
      await lab.alive(session);
    },
  },
  {
    id: 'export-name-no-zeroes',
    level: 'MUST',
    section: 'Handshake flags',
    quote:
      'the server MUST NOT send the 124 bytes of zero when the client ends negotiation with NBD_OPT_EXPORT_NAME',
    run: async (lab) => {
      const session = await lab.haggling();
      await session.exportName(lab.name, false);
      await lab.alive(session); // a zero byte too many would be taken for the magic of a reply
    },
  },
  {
    id: 'export-name-not-fixed',
    level: 'SHOULD',
    section: 'Newstyle negotiation',
    quote:
      'In non-fixed newstyle only one option can be set (NBD_OPT_EXPORT_NAME), and it is not optional',
    skip: needs.plain,
    run: async (lab) => {
      const session = await lab.greeted(0);
      await session.exportName(lab.name, true);
      await lab.alive(session);
    },
  },
  {
    id: 'export-name-flags',
    level: 'MUST',
    section: 'Transmission flags',
    quote:
      'NBD_FLAG_HAS_FLAGS: MUST always be 1 … MUST leave [SEND_DF] clear if neither structured replies nor extended headers have been negotiated',
    run: async (lab) => {
      const session = await lab.haggling();
      const { flags } = await session.exportName(lab.name, false);
      must((flags & FLAG.HAS_FLAGS) !== 0, 'NBD_FLAG_HAS_FLAGS is clear');
      must((flags & FLAG.SEND_DF) === 0, 'NBD_FLAG_SEND_DF is set');
      must((flags & FLAG.BLOCK_STATUS_PAYLOAD) === 0, 'NBD_FLAG_BLOCK_STATUS_PAYLOAD is set');
    },
  },
  {
    id: 'export-name-unknown',
    level: 'MUST',
    section: 'Option types',
    quote:
      'If the chosen export does not exist or requirements for the chosen export are not met, the server MUST terminate the session',
    skip: needs.unknownExport,
    run: async (lab) => {
      const session = await lab.haggling();
      session.sendOption(OPT.EXPORT_NAME, Buffer.from(lab.target.unknownExport!));
      await session.wire.closed();
    },
  },
  ...[
    { id: 'nul', name: Buffer.from('a\0b') },
    { id: 'not-utf8', name: Buffer.from([0xff, 0xfe, 0x80]) },
    { id: 'too-long', name: Buffer.alloc(STRING_LIMIT + 1, 0x61) },
  ].map(
    ({ id, name }): Case => ({
      id: `export-name-${id}`,
      level: 'MUST',
      section: 'Conventions',
      quote:
        'UTF-8 …, MUST NOT contain NUL characters, … MUST be no longer than 4096 bytes; EXPORT_NAME cannot be answered with an error',
      skip: needs.unknownExport,
      run: async (lab) => {
        const session = await lab.haggling();
        session.sendOption(OPT.EXPORT_NAME, name);
        await session.wire.closed();
        await lab.serving();
      },
    }),
  ),
];

/** Where a client may vanish, as bytes sent after the greeting's flags (undefined: before them). */
const VANISHING: readonly (readonly [string, Buffer | undefined])[] = [
  ['connected', undefined],
  ['half-client-flags', u16(0)],
  ['greeted', u32(3)],
  ['half-option-header', Buffer.concat([u32(3), optionHeader(OPT.LIST, 0).subarray(0, 9)])],
  ['half-option-data', Buffer.concat([u32(3), optionHeader(OPT.GO, 40), Buffer.alloc(20)])],
  ['unread-replies', Buffer.concat([u32(3), optionHeader(OPT.LIST, 0)])],
];

const disconnects: readonly Case[] = VANISHING.flatMap(([state, bytes]) =>
  (['closes', 'resets'] as const).map(
    (how): Case => ({
      id: `client-${how}-${state}`,
      level: 'MUST',
      section: 'Termination of the session during option haggling',
      quote:
        'The client or the server can disconnect the TCP session without activity at the NBD protocol level (and other clients must not notice)',
      run: async (lab) => {
        const session = await lab.connect();
        if (bytes !== undefined) {
          await session.hello();
          session.wire.send(bytes);
        }
        if (how === 'resets') session.wire.reset();
        else {
          session.wire.end();
          await session.wire.drain(); // the server closes its side, too
        }
        await lab.serving();
      },
    }),
  ),
);

export const handshakeCases: readonly Case[] = [
  ...greeting,
  ...options,
  ...exportName,
  ...disconnects,
  {
    id: 'default-export',
    level: 'SHOULD',
    section: 'Option types',
    quote:
      'A special, "empty", name is reserved for a "default" export (a server without one answers NBD_REP_ERR_UNKNOWN)',
    run: async (lab) => {
      const session = await lab.haggling();
      const type = await session.optionResult(OPT.GO, Buffer.concat([u32(0), u16(0)]));
      must(type === REP.ACK || type === REP_ERR.UNKNOWN, `reply type 0x${type.toString(16)}`);
      if (type === REP.ACK) {
        mustEqual((await session.call({ type: CMD.READ, length: 512 })).error, 0, 'error of READ');
      }
    },
  },
];
