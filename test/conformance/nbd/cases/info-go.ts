/** INFO and GO: their data, the information types, block size constraints. */
import { must, mustEqual, text32, u16, u32 } from '../raw.ts';
import { checkText, infoData, isError } from '../session.ts';
import { type Case, needs, refused } from '../suite.ts';
import { FLAG, HANDSHAKE, INFO, OPT, REP, REP_ERR, STRING_LIMIT } from '../values.ts';

const EVERY_INFO = [INFO.EXPORT, INFO.NAME, INFO.DESCRIPTION, INFO.BLOCK_SIZE];

/** Data of INFO and GO that contradicts itself, by what is wrong. `name` is an export that exists. */
const MALFORMED: readonly (readonly [string, (name: string) => Buffer])[] = [
  ['empty', () => Buffer.alloc(0)],
  ['one-byte', () => Buffer.alloc(1)],
  ['only-name-length', () => u32(0)],
  ['five-bytes', () => Buffer.alloc(5)],
  ['no-count', (name) => text32(name)],
  ['half-count', (name) => Buffer.concat([text32(name), Buffer.alloc(1)])],
  ['name-beyond-data', (name) => Buffer.concat([u32(1000), Buffer.from(name), u16(0)])],
  ['name-over-count', () => Buffer.concat([u32(2), u16(0)])],
  ['name-4-gib', (name) => Buffer.concat([u32(0xffffffff), Buffer.from(name), u16(0)])],
  ['count-too-large', (name) => Buffer.concat([text32(name), u16(2), u16(INFO.NAME)])],
  ['count-too-small', (name) => Buffer.concat([text32(name), u16(0), u16(INFO.NAME)])],
  ['count-65535', (name) => Buffer.concat([text32(name), u16(0xffff)])],
  ['odd-tail', (name) => Buffer.concat([text32(name), u16(1), u16(INFO.NAME), Buffer.alloc(1)])],
];

const both = (make: (option: number, word: string) => Case): Case[] => [
  make(OPT.INFO, 'info'),
  make(OPT.GO, 'go'),
];

const malformed: readonly Case[] = both((option, word) => ({
  id: `${word}-malformed`,
  level: 'MUST',
  section: 'Option types',
  quote: 'length of name (unsigned); MUST be no larger than the option data length - 6',
  run: async (lab) => {
    const session = await lab.haggling();
    for (const [what, data] of MALFORMED) {
      const type = await session.optionResult(option, data(lab.name));
      must(type === REP_ERR.INVALID, `${what}: reply type 0x${type.toString(16)}`);
    }
    await session.go(lab.name);
    await lab.alive(session);
  },
}));

const names: readonly Case[] = both((option, word) => ({
  id: `${word}-bad-names`,
  level: 'MUST',
  section: 'Conventions',
  quote:
    'a sequence of UTF-8 code points, … MUST NOT contain NUL characters, … MUST be no longer than 4096 bytes',
  skip: needs.unknownExport,
  run: async (lab) => {
    const session = await lab.haggling();
    const allowed = [REP_ERR.INVALID, REP_ERR.UNKNOWN, REP_ERR.TOO_BIG];
    for (const name of [
      Buffer.from('a\0b'),
      Buffer.from([0xc3, 0x28]),
      Buffer.alloc(STRING_LIMIT + 1, 0x61),
    ]) {
      await refused(session, option, infoData(name, []), allowed);
    }
    // The longest that is allowed is merely unknown.
    const longest = infoData(Buffer.alloc(STRING_LIMIT, 0x61), []);
    await refused(session, option, longest, [REP_ERR.UNKNOWN, REP_ERR.TOO_BIG]);
  },
}));

const unknown: readonly Case[] = both((option, word) => ({
  id: `${word}-unknown-export`,
  level: 'MUST',
  section: 'Option types',
  quote:
    'NBD_REP_ERR_UNKNOWN: The chosen export does not exist on this server. In this case, the server SHOULD NOT send NBD_REP_INFO replies',
  skip: needs.unknownExport,
  run: async (lab) => {
    const session = await lab.haggling();
    const replies = await session.option(option, infoData(lab.target.unknownExport!, EVERY_INFO));
    mustEqual(replies.length, 1, 'number of replies');
    mustEqual(replies[0]!.type, REP_ERR.UNKNOWN, 'reply type');
    await session.go(lab.name);
    await lab.alive(session);
  },
}));

const answers: readonly Case[] = [
  {
    id: 'info-then-go',
    level: 'MUST',
    section: 'Option types',
    quote:
      'If there are no intervening option requests between a successful NBD_OPT_INFO and an NBD_OPT_GO with the same parameters, the server MUST reply with the same set of information',
    run: async (lab) => {
      const session = await lab.haggling();
      const info = await session.info(OPT.INFO, lab.name, EVERY_INFO);
      const go = await session.go(lab.name, EVERY_INFO);
      mustEqual(go.infos.size, info.infos.size, 'number of information types');
      for (const [type, data] of info.infos) {
        must(go.infos.get(type)?.equals(data) === true, `information ${type} differs`);
      }
      await lab.alive(session);
    },
  },
  {
    id: 'info-export-flags',
    level: 'MUST',
    section: 'Transmission flags',
    quote:
      'NBD_FLAG_HAS_FLAGS: MUST always be 1; FAST_ZERO MUST be 0 if NBD_FLAG_SEND_WRITE_ZEROES is not set; SEND_DF clear without structured replies; BLOCK_STATUS_PAYLOAD only with extended headers',
    run: async (lab) => {
      const { flags } = await (await lab.haggling()).info(OPT.INFO, lab.name, []);
      must((flags & FLAG.HAS_FLAGS) !== 0, 'NBD_FLAG_HAS_FLAGS is clear');
      must((flags & FLAG.SEND_DF) === 0, 'NBD_FLAG_SEND_DF is set');
      must((flags & FLAG.BLOCK_STATUS_PAYLOAD) === 0, 'NBD_FLAG_BLOCK_STATUS_PAYLOAD is set');
      const zeroes = (flags & FLAG.SEND_WRITE_ZEROES) !== 0;
      must(zeroes || (flags & FLAG.SEND_FAST_ZERO) === 0, 'FAST_ZERO without WRITE_ZEROES');
    },
  },
  {
    id: 'info-unknown-requests-ignored',
    level: 'MUST',
    section: 'Option types',
    quote: 'The server MUST ignore any information requests it does not understand',
    run: async (lab) => {
      const session = await lab.haggling();
      const facts = await session.info(OPT.INFO, lab.name, [0x7fff, 4, INFO.BLOCK_SIZE, 0xfffe]);
      must(facts.infos.has(INFO.EXPORT), 'NBD_INFO_EXPORT is missing');
      await session.go(lab.name, [0x7fff]);
      await lab.alive(session);
    },
  },
  {
    id: 'go-without-requests',
    level: 'MUST',
    section: 'Size constraints',
    quote:
      'servers SHOULD NOT refuse clients that do not request sizing information when the server supports default sizing (nbd-client and old kernels never ask)',
    run: async (lab) => {
      const session = await lab.haggling();
      await session.go(lab.name, []);
      await lab.alive(session);
    },
  },
  {
    id: 'go-no-padding',
    level: 'MUST',
    section: 'Option types',
    quote:
      'The server MUST NOT send any zero padding bytes after the NBD_REP_ACK data, whether or not the client negotiated the NBD_FLAG_C_NO_ZEROES flag',
    run: async (lab) => {
      const session = await lab.haggling(HANDSHAKE.FIXED_NEWSTYLE);
      await session.go(lab.name);
      await lab.alive(session);
    },
  },
  {
    id: 'info-name',
    level: 'MUST',
    section: 'Option reply types',
    quote: "NBD_INFO_NAME: the server's canonical name of the export",
    run: async (lab) => {
      const session = await lab.haggling();
      const { infos } = await session.info(OPT.INFO, lab.name, [INFO.NAME, INFO.DESCRIPTION]);
      const name = infos.get(INFO.NAME);
      const description = infos.get(INFO.DESCRIPTION);
      if (description !== undefined) checkText(description, 'NBD_INFO_DESCRIPTION');
      if (name === undefined) return; // "MAY be omitted if the client … already used the canonical name"
      await session.go(checkText(name, 'NBD_INFO_NAME'));
      await lab.alive(session);
    },
  },
  {
    id: 'info-block-size',
    level: 'MUST',
    section: 'Size constraints',
    quote:
      'minimum: a power of 2, MUST NOT be larger than 2^16; preferred: a power of 2 at least as large as the maximum of the minimum block size and 2^9; maximum payload at least as large as the preferred block size',
    run: async (lab) => {
      const session = await lab.haggling();
      const { infos, size } = await session.info(OPT.INFO, lab.name, [INFO.BLOCK_SIZE]);
      const data = infos.get(INFO.BLOCK_SIZE);
      if (data === undefined) return; // only servers with other constraints than the defaults must
      mustEqual(data.length, 12, 'payload of NBD_INFO_BLOCK_SIZE');
      const [minimum, preferred, maximum] = [0, 4, 8].map((at) => data.readUInt32BE(at));
      const powerOf2 = (value: number) => value > 0 && Number.isInteger(Math.log2(value));
      must(powerOf2(minimum!) && minimum! <= 65_536, `minimum block size ${minimum}`);
      must(powerOf2(preferred!), `preferred block size ${preferred}`);
      must(preferred! >= Math.max(minimum!, 512), `preferred block size ${preferred}`);
      must(maximum! >= preferred!, `maximum payload ${maximum}`);
      must(maximum! >= Math.min(size, 1 << 20), `maximum payload ${maximum}`);
      mustEqual(size % minimum!, 0, 'size modulo minimum block size');
    },
  },
  {
    id: 'no-block-size-required',
    level: 'MUST',
    section: 'Option types',
    quote:
      'The server MUST NOT send [NBD_REP_ERR_BLOCK_SIZE_REQD] if size constraints were requested with NBD_INFO_BLOCK_SIZE',
    run: async (lab) => {
      const session = await lab.haggling();
      await session.go(lab.name, [INFO.BLOCK_SIZE]);
      await lab.alive(session);
    },
  },
  {
    id: 'info-does-not-commit',
    level: 'MUST',
    section: 'Option types',
    quote: 'NBD_OPT_INFO: … but does not yet want to move to the transmission phase',
    run: async (lab) => {
      const session = await lab.haggling();
      await session.info(OPT.INFO, lab.name, []);
      mustEqual((await session.option(OPT.LIST)).at(-1)!.type, REP.ACK, 'reply to LIST');
      const type = await session.optionResult(OPT.ABORT);
      must(!isError(type), 'ABORT after INFO');
    },
  },
  {
    id: 'same-size-everywhere',
    level: 'MUST',
    section: 'Option reply types',
    quote:
      'NBD_INFO_EXPORT: Describes the same information that is sent in response to the older NBD_OPT_EXPORT_NAME',
    run: async (lab) => {
      const go = await (await lab.haggling()).go(lab.name);
      const old = await (await lab.haggling()).exportName(lab.name, false);
      mustEqual(old.size, go.size, 'size');
      mustEqual(old.flags, go.flags, 'transmission flags');
    },
  },
];

export const infoGoCases: readonly Case[] = [...answers, ...malformed, ...names, ...unknown];
