/** Every command and flag, in each of the three reply styles. */
import { must, mustEqual } from '../raw.ts';
import type { Reply } from '../reply.ts';
import { dataOf, type ReplyStyle } from '../reply.ts';
import type { Session } from '../session.ts';
import { type Case, type Lab, needs, needsStyle, pattern, STYLES } from '../suite.ts';
import { CMD, CMD_FLAG, ERR, FLAG, MEBIBYTE, PORTABLE_PAYLOAD } from '../values.ts';

const WRITING = ['WRITE', 'TRIM', 'WRITE_ZEROES'] as const;

interface StyledCase extends Omit<Case, 'run' | 'skip'> {
  readonly skip?: (lab: Lab) => string | false | undefined;
  readonly run: (lab: Lab, session: Session, style: ReplyStyle) => Promise<void>;
}

/** One case a style, each in transmission on the writable export. */
function inEveryStyle(test: StyledCase): Case[] {
  return STYLES.map((style) => ({
    ...test,
    id: `${style}-${test.id}`,
    skip: (lab) => {
      const reason = needsStyle(style)(lab);
      return typeof reason === 'string' ? reason : test.skip?.(lab);
    },
    run: async (lab) => {
      const session = await lab.transmission(style);
      await test.run(lab, session, style);
      await lab.alive(session);
    },
  }));
}

async function expectError(
  session: Session,
  request: Parameters<Session['call']>[0],
  ...errors: number[]
): Promise<Reply> {
  const reply = await session.call(request);
  must(errors.includes(reply.error), `command ${request.type}: error ${reply.error}`);
  return reply;
}

const advertised: Readonly<Record<string, number>> = {
  FLUSH: FLAG.SEND_FLUSH,
  TRIM: FLAG.SEND_TRIM,
  CACHE: FLAG.SEND_CACHE,
  WRITE_ZEROES: FLAG.SEND_WRITE_ZEROES,
};

/** Commands that this export serves. */
function served(lab: Lab): (keyof typeof CMD)[] {
  const names = ['READ', 'WRITE', 'FLUSH', 'TRIM', 'CACHE', 'WRITE_ZEROES'] as const;
  return names.filter((name) => {
    if (name === 'WRITE' && lab.has(FLAG.READ_ONLY)) return false;
    const flag = advertised[name];
    return flag === undefined || lab.has(flag);
  });
}

const request = (name: keyof typeof CMD, flags: number, length = 4096) => ({
  type: CMD[name],
  flags,
  ...(name === 'FLUSH' ? {} : { offset: 8192, length }),
  ...(name === 'WRITE' ? { payload: pattern(length, 3) } : {}),
});

const data: readonly Case[] = [
  ...inEveryStyle({
    id: 'write-read',
    level: 'MUST',
    section: 'Request types',
    quote: 'NBD_CMD_WRITE: The server MUST write the data to disk, and then send the reply message',
    skip: needs.writable,
    run: async (lab, session) => {
      const unit = Math.max(512, lab.facts.minimumBlock);
      for (const length of [unit, 65_536, MEBIBYTE]) {
        const bytes = pattern(length, length);
        mustEqual(
          (await session.call({ type: CMD.WRITE, offset: unit, payload: bytes })).error,
          0,
          'error of WRITE',
        );
        const read = { type: CMD.READ, offset: unit, length };
        must(dataOf(read, await session.call(read)).equals(bytes), `${length} bytes read differ`);
      }
    },
  }),
  ...inEveryStyle({
    id: 'unaligned',
    level: 'SHOULD',
    section: 'Size constraints',
    quote: 'a server SHOULD support a default minimum block size of 1',
    skip: needs.all(needs.writable, (lab) => lab.facts.minimumBlock > 1 && 'larger minimum block'),
    run: async (_lab, session) => {
      const around = { type: CMD.READ, offset: 20_000, length: 10_000 };
      const expected = pattern(10_000, 9);
      await session.call({ type: CMD.WRITE, offset: 20_000, payload: expected });
      for (const [offset, length] of [
        [20_001, 1],
        [24_575, 2],
        [23_999, 4099],
      ] as const) {
        const bytes = pattern(length, offset);
        bytes.copy(expected, offset - 20_000);
        const reply = await session.call({ type: CMD.WRITE, offset, payload: bytes });
        mustEqual(reply.error, 0, 'error of WRITE');
        must(
          dataOf(around, await session.call(around)).equals(expected),
          'the bytes around differ',
        );
      }
    },
  }),
  ...inEveryStyle({
    id: 'below-minimum-block',
    level: 'SHOULD',
    section: 'Size constraints',
    quote:
      "The server SHOULD report an NBD_EINVAL error if the client's request is not aligned to advertised minimum block size boundaries",
    skip: (lab) => lab.facts.minimumBlock === 1 && 'the minimum block is 1',
    run: async (lab, session) => {
      const half = lab.facts.minimumBlock / 2;
      await expectError(session, { type: CMD.READ, offset: half, length: half }, ERR.EINVAL);
      if (lab.has(FLAG.READ_ONLY)) return;
      const before = { type: CMD.READ, offset: 0, length: lab.facts.minimumBlock };
      const bytes = dataOf(before, await session.call(before));
      await expectError(
        session,
        { type: CMD.WRITE, offset: half, payload: Buffer.alloc(half, 0x99) },
        ERR.EINVAL,
      );
      must(
        dataOf(before, await session.call(before)).equals(bytes),
        'the refused write changed data',
      );
    },
  }),
  ...inEveryStyle({
    id: 'portable-payload',
    level: 'SHOULD',
    section: 'Size constraints',
    quote:
      'any payload not exceeding 2^25 (33,554,432) bytes SHOULD NOT be considered a denial of service attack',
    skip: needs.all(
      needs.writable,
      (lab) => lab.facts.size < 2 * PORTABLE_PAYLOAD && 'the export is smaller than 64 MiB',
      (lab) => lab.facts.maximumPayload < PORTABLE_PAYLOAD && 'a smaller maximum is advertised',
    ),
    run: async (_lab, session) => {
      const bytes = pattern(PORTABLE_PAYLOAD, 1);
      const offset = 8 * MEBIBYTE;
      mustEqual(
        (await session.call({ type: CMD.WRITE, offset, payload: bytes })).error,
        0,
        'WRITE',
      );
      const read = { type: CMD.READ, offset, length: PORTABLE_PAYLOAD };
      must(dataOf(read, await session.call(read)).equals(bytes), 'the bytes read differ');
    },
  }),
  ...inEveryStyle({
    id: 'write-zeroes',
    level: 'MUST',
    section: 'Request types',
    quote:
      'NBD_CMD_WRITE_ZEROES … MUST ensure that the data reads back as zero; The server MUST support the use of [NO_HOLE] if it advertises NBD_FLAG_SEND_WRITE_ZEROES',
    skip: needs.flag(FLAG.SEND_WRITE_ZEROES, 'SEND_WRITE_ZEROES'),
    run: async (_lab, session) => {
      for (const flags of [0, CMD_FLAG.NO_HOLE]) {
        const bytes = pattern(65_536, 5);
        await session.call({ type: CMD.WRITE, offset: 65_536, payload: bytes });
        const zero = { type: CMD.WRITE_ZEROES, flags, offset: 69_632, length: 8192 };
        mustEqual((await session.call(zero)).error, 0, 'error of WRITE_ZEROES');
        bytes.fill(0, 4096, 12_288);
        const read = { type: CMD.READ, offset: 65_536, length: 65_536 };
        must(dataOf(read, await session.call(read)).equals(bytes), 'the bytes read differ');
      }
    },
  }),
  ...inEveryStyle({
    id: 'fast-zero',
    level: 'MUST',
    section: 'Request types',
    quote:
      'if NBD_CMD_FLAG_FAST_ZERO is set, … MUST fail quickly with NBD_ENOTSUP unless …, and SHOULD NOT alter the contents of the export when returning an NBD_ENOTSUP failure',
    skip: needs.flag(FLAG.SEND_FAST_ZERO, 'SEND_FAST_ZERO'),
    run: async (_lab, session) => {
      const bytes = pattern(65_536, 5);
      await session.call({ type: CMD.WRITE, offset: 0, payload: bytes });
      const flags = CMD_FLAG.FAST_ZERO;
      const zero = { type: CMD.WRITE_ZEROES, flags, offset: 0, length: 65_536 };
      const reply = await expectError(session, zero, 0, ERR.ENOTSUP);
      if (reply.error === 0) bytes.fill(0);
      const read = { type: CMD.READ, offset: 0, length: 65_536 };
      must(dataOf(read, await session.call(read)).equals(bytes), 'the bytes read differ');
    },
  }),
  ...inEveryStyle({
    id: 'trim-cache-flush',
    level: 'MUST',
    section: 'Transmission flags',
    quote: 'The server MUST NOT set the flag for features it does not support',
    run: async (lab, session) => {
      for (const name of served(lab)) {
        mustEqual((await session.call(request(name, 0))).error, 0, `error of ${name}`);
      }
    },
  }),
  ...inEveryStyle({
    id: 'cache-changes-nothing',
    level: 'MUST',
    section: 'Request types',
    quote:
      'NBD_CMD_CACHE … there MUST NOT be any difference in semantics compared to if the client had not used this command',
    skip: needs.all(needs.writable, needs.flag(FLAG.SEND_CACHE, 'SEND_CACHE')),
    run: async (_lab, session) => {
      const bytes = pattern(4096, 77);
      await session.call({ type: CMD.WRITE, offset: 4096, payload: bytes });
      await session.call({ type: CMD.CACHE, offset: 0, length: 65_536 });
      const read = { type: CMD.READ, offset: 4096, length: 4096 };
      must(dataOf(read, await session.call(read)).equals(bytes), 'the bytes read differ');
    },
  }),
  ...inEveryStyle({
    id: 'length-0',
    level: 'SHOULD',
    section: 'Request types',
    quote:
      'The client SHOULD NOT request a length of 0; the behavior … is unspecified although the server SHOULD NOT disconnect',
    run: async (lab, session) => {
      for (const name of served(lab)) {
        if (name !== 'FLUSH') await session.call(request(name, 0, 0));
      }
    },
  }),
  ...inEveryStyle({
    id: 'long-effect',
    level: 'SHOULD',
    section: 'Size constraints',
    quote:
      'For commands that do not require a payload in either direction, the client MAY request an effect length larger than the maximum payload size; the server SHOULD NOT disconnect',
    skip: (lab) => lab.facts.size < 2 * PORTABLE_PAYLOAD && 'the export is smaller than 64 MiB',
    run: async (lab, session) => {
      for (const name of served(lab)) {
        if (name === 'READ' || name === 'WRITE' || name === 'FLUSH') continue;
        const whole = {
          type: CMD[name],
          offset: 0,
          length: Math.min(lab.facts.size, 2 ** 32 - 65_536),
        };
        await expectError(session, whole, 0, ERR.EOVERFLOW, ERR.EINVAL);
      }
    },
  }),
];

const flags: readonly Case[] = [
  ...inEveryStyle({
    id: 'fua-everywhere',
    level: 'MUST',
    section: 'Command flags',
    quote:
      'NBD_CMD_FLAG_FUA … valid for all commands, provided NBD_FLAG_SEND_FUA has been negotiated, in which case the server MUST accept all commands with this bit set',
    skip: needs.flag(FLAG.SEND_FUA, 'SEND_FUA'),
    run: async (lab, session) => {
      for (const name of served(lab)) {
        mustEqual((await session.call(request(name, CMD_FLAG.FUA))).error, 0, `${name} with FUA`);
      }
    },
  }),
  ...inEveryStyle({
    id: 'unknown-flags',
    level: 'SHOULD',
    section: 'Error values',
    quote: 'The server SHOULD return NBD_EINVAL if it receives an unknown command flag',
    run: async (lab, session) => {
      for (const name of served(lab)) {
        for (const bit of [6, 9, 15]) {
          await expectError(session, request(name, 1 << bit), ERR.EINVAL);
        }
      }
    },
  }),
  ...inEveryStyle({
    id: 'flags-of-other-commands',
    level: 'SHOULD',
    section: 'Error values',
    quote:
      'It also SHOULD return NBD_EINVAL if it receives a request with a flag not explicitly documented as applicable to the given request',
    run: async (lab, session, style) => {
      const valid: Readonly<Record<string, number>> = {
        READ: style === 'simple' ? 0 : CMD_FLAG.DF,
        WRITE_ZEROES: CMD_FLAG.NO_HOLE | CMD_FLAG.FAST_ZERO,
      };
      for (const name of served(lab)) {
        for (const bit of ['NO_HOLE', 'DF', 'REQ_ONE', 'FAST_ZERO'] as const) {
          const flag = CMD_FLAG[bit];
          if (((valid[name] ?? 0) & flag) !== 0) continue;
          const { error } = await session.call(request(name, flag));
          mustEqual(error, ERR.EINVAL, `error of ${name} with ${bit}`);
        }
      }
    },
  }),
  ...inEveryStyle({
    id: 'unknown-command',
    level: 'SHOULD',
    section: 'Error values',
    quote: 'The server SHOULD return NBD_EINVAL if it receives an unknown command',
    run: async (_lab, session) => {
      for (const type of [CMD.RESIZE, 9, 0x7fff, 0xffff]) {
        await expectError(session, { type, offset: 0, length: 4096 }, ERR.EINVAL);
      }
    },
  }),
];

const bounds: readonly Case[] = [
  ...inEveryStyle({
    id: 'beyond-the-end',
    level: 'SHOULD',
    section: 'Error values',
    quote:
      'The server SHOULD return NBD_ENOSPC if it receives a write request including one or more sectors beyond the size of the device … NBD_EINVAL if it receives a read or trim request including one or more sectors beyond the size',
    run: async (lab, session) => {
      const { size } = lab.facts;
      for (const [offset, length] of [
        [BigInt(size), 4096],
        [BigInt(size - 4096), 8192],
        [BigInt(size) + 2n ** 40n, 4096],
        [2n ** 63n, 4096],
        [2n ** 64n - 4096n, 4096], // offset + length is 2^64
        [2n ** 64n - 4096n, 8192],
      ] as const) {
        for (const name of served(lab)) {
          if (name === 'FLUSH' || name === 'CACHE') continue;
          const outOfSpace = name === 'WRITE' || name === 'WRITE_ZEROES';
          const error = outOfSpace ? ERR.ENOSPC : ERR.EINVAL;
          const reply = await session.call({ ...request(name, 0, length), offset });
          mustEqual(reply.error, error, `error of ${name} at ${offset}`);
        }
      }
    },
  }),
  ...inEveryStyle({
    id: 'refused-write-is-consumed',
    level: 'MUST',
    section: 'Request types',
    quote:
      'If an error occurs, the server MUST set the appropriate error code in the error field (the payload is still part of the stream)',
    skip: needs.writable,
    run: async (lab, session) => {
      // A payload full of request headers would be obeyed by a server that lost its place.
      const { bytes } = session.encode({ type: CMD.DISC });
      const payload = Buffer.concat(Array.from({ length: 2000 }, () => bytes));
      const offset = lab.facts.size;
      await expectError(session, { type: CMD.WRITE, offset, payload }, ERR.ENOSPC, ERR.EINVAL);
      const flags = 1 << 12;
      await expectError(session, { type: CMD.WRITE, flags, offset: 0, payload }, ERR.EINVAL);
    },
  }),
  ...WRITING.map(
    (name): Case => ({
      id: `read-only-${name}`,
      level: 'MUST',
      section: 'Transmission flags',
      quote:
        'NBD_FLAG_READ_ONLY … If this flag is set, the server MUST error subsequent write operations to the export; SHOULD return NBD_EPERM',
      skip: needs.readOnlyExport,
      run: async (lab) => {
        const session = await lab.transmission('simple', lab.target.readOnlyExport!);
        await expectError(session, { ...request(name, 0), offset: 0 }, ERR.EPERM);
        await lab.alive(session);
      },
    }),
  ),
];

export const commandCases: readonly Case[] = [...data, ...flags, ...bounds];
