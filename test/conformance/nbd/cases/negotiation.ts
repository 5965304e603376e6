/** STRUCTURED_REPLY, EXTENDED_HEADERS, LIST_META_CONTEXT, SET_META_CONTEXT. */
import { must, mustEqual, text32, u32 } from '../raw.ts';
import { contextsOf, isError, metaData } from '../session.ts';
import { type Case, type Lab, needs, refused } from '../suite.ts';
import { CMD, ERR, FLAG, OPT, REP, REP_ERR } from '../values.ts';

const structuredAndExtended = [
  [OPT.STRUCTURED_REPLY, 'structured', needs.structured],
  [OPT.EXTENDED_HEADERS, 'extended', needs.extended],
] as const;

const styles: readonly Case[] = [
  ...structuredAndExtended.map(
    ([option, style, skip]): Case => ({
      id: `${style}-with-data`,
      level: 'SHOULD',
      section: 'Option types',
      quote: 'the server SHOULD reject a request that includes data with NBD_REP_ERR_INVALID',
      skip,
      run: async (lab) => {
        const session = await lab.haggling();
        await refused(session, option, Buffer.alloc(4), [REP_ERR.INVALID]);
        // It was not negotiated, so simple replies it is.
        await session.go(lab.name);
        await lab.alive(session);
      },
    }),
  ),
  {
    id: 'structured-again',
    level: 'SHOULD',
    section: 'Fixed newstyle negotiation',
    quote:
      'The client SHOULD NOT send such messages more than once; if it does, the server MAY fail the repeated message with NBD_REP_ERR_INVALID',
    skip: needs.structured,
    run: async (lab) => {
      const session = await lab.haggling();
      await session.negotiate('structured');
      const type = await session.optionResult(OPT.STRUCTURED_REPLY);
      must(type === REP.ACK || type === REP_ERR.INVALID, `reply type 0x${type.toString(16)}`);
      await session.go(lab.name);
      await lab.alive(session);
    },
  },
  {
    id: 'extended-after-structured',
    level: 'MUST',
    section: 'Option types',
    quote:
      'this option takes precedence over structured replies … A client MAY request structured replies first',
    skip: needs.all(needs.structured, needs.extended),
    run: async (lab) => {
      const session = await lab.haggling();
      await session.negotiate('structured');
      await session.negotiate('extended');
      await session.go(lab.name);
      await lab.alive(session);
    },
  },
  {
    id: 'structured-after-extended',
    level: 'MUST',
    section: 'Option types',
    quote:
      'NBD_REP_ERR_EXT_HEADER_REQD: The client has already successfully negotiated extended headers, which takes precedence over this option',
    skip: needs.extended,
    run: async (lab) => {
      const session = await lab.haggling();
      await session.negotiate('extended');
      mustEqual(
        await session.optionResult(OPT.STRUCTURED_REPLY),
        REP_ERR.EXT_HEADER_REQD,
        'reply type',
      );
      await session.go(lab.name);
      await lab.alive(session);
    },
  },
  {
    id: 'export-name-after-extended',
    level: 'SHOULD',
    section: 'Option types',
    quote:
      'a client that has used NBD_OPT_EXTENDED_HEADERS to negotiate extended headers MUST NOT use [NBD_OPT_EXPORT_NAME]',
    skip: needs.extended,
    run: async (lab) => {
      const session = await lab.haggling();
      await session.negotiate('extended');
      session.sendOption(OPT.EXPORT_NAME, Buffer.from(lab.name));
      await session.wire.closed();
    },
  },
  {
    id: 'flags-with-structured',
    level: 'MUST',
    section: 'Transmission flags',
    quote:
      'The server MUST set [NBD_FLAG_SEND_DF] to 1 if the NBD_CMD_READ request supports the NBD_CMD_FLAG_DF flag; BLOCK_STATUS_PAYLOAD: Servers MUST NOT advertise this bit unless the client successfully negotiates extended headers',
    skip: needs.structured,
    run: async (lab) => {
      const session = await lab.haggling();
      await session.negotiate('structured');
      const { flags } = await session.go(lab.name);
      must((flags & FLAG.SEND_DF) !== 0, 'NBD_FLAG_SEND_DF is clear');
      must((flags & FLAG.BLOCK_STATUS_PAYLOAD) === 0, 'NBD_FLAG_BLOCK_STATUS_PAYLOAD is set');
    },
  },
  {
    id: 'flags-with-extended',
    level: 'SHOULD',
    section: 'Transmission flags',
    quote:
      'SHOULD NOT advertise [BLOCK_STATUS_PAYLOAD] in response to NBD_OPT_GO if the client does not negotiate metacontexts with NBD_OPT_SET_META_CONTEXT',
    skip: needs.extended,
    run: async (lab) => {
      const session = await lab.haggling();
      await session.negotiate('extended');
      const { flags } = await session.go(lab.name);
      must((flags & FLAG.SEND_DF) !== 0, 'NBD_FLAG_SEND_DF is clear');
      must((flags & FLAG.BLOCK_STATUS_PAYLOAD) === 0, 'NBD_FLAG_BLOCK_STATUS_PAYLOAD is set');
    },
  },
];

/** Syntactically invalid data of the meta context options, by what is wrong. */
const MALFORMED_META: readonly (readonly [string, (name: string) => Buffer])[] = [
  ['empty', () => Buffer.alloc(0)],
  ['three-bytes', () => Buffer.alloc(3)],
  ['name-beyond-data', (name) => Buffer.concat([u32(1000), Buffer.from(name), u32(0)])],
  ['name-4-gib', (name) => Buffer.concat([u32(0xffffffff), Buffer.from(name), u32(0)])],
  ['no-count', (name) => text32(name)],
  ['half-count', (name) => Buffer.concat([text32(name), Buffer.alloc(3)])],
  ['count-too-large', (name) => Buffer.concat([text32(name), u32(2), text32('base:allocation')])],
  ['count-4-gib', (name) => Buffer.concat([text32(name), u32(0xffffffff)])],
  ['count-too-small', (name) => Buffer.concat([text32(name), u32(0), text32('base:allocation')])],
  [
    'query-beyond-data',
    (name) => Buffer.concat([text32(name), u32(1), u32(16), Buffer.from('base:')]),
  ],
  ['query-4-gib', (name) => Buffer.concat([text32(name), u32(1), u32(0xffffffff)])],
  ['half-query-length', (name) => Buffer.concat([text32(name), u32(1), Buffer.alloc(2)])],
];

const metaOptions = [
  [OPT.LIST_META_CONTEXT, 'list-meta'],
  [OPT.SET_META_CONTEXT, 'set-meta'],
] as const;

const withStructured = async (lab: Lab) => {
  const session = await lab.haggling();
  await session.negotiate('structured');
  return session;
};

const metaBoth: readonly Case[] = metaOptions.flatMap(([option, word]): Case[] => [
  {
    id: `${word}-malformed`,
    level: 'MUST',
    section: 'Option types',
    quote:
      'If the option request is syntactically invalid (such as a query length that would require reading beyond the original length given in the option header), the server MUST fail the request with NBD_REP_ERR_INVALID',
    skip: needs.structured,
    run: async (lab) => {
      const session = await withStructured(lab);
      for (const [what, data] of MALFORMED_META) {
        const replies = await session.option(option, data(lab.name));
        mustEqual(replies.at(-1)!.type, REP_ERR.INVALID, `${what}: final reply`);
      }
      await session.go(lab.name);
      await lab.alive(session);
    },
  },
  {
    id: `${word}-unknown-namespace`,
    level: 'MUST',
    section: 'Option types',
    quote:
      'the server MUST ignore query strings belonging to an unknown namespace. If none of the query strings find any metadata contexts, the server MUST send a single reply of type NBD_REP_ACK',
    skip: needs.allocation,
    run: async (lab) => {
      const session = await withStructured(lab);
      for (const query of ['x-rootcast:nothing', 'x-none:', 'unregistered:allocation']) {
        const replies = await session.option(option, metaData(lab.name, [query]));
        mustEqual(replies.length, 1, `number of replies to ${query}`);
        mustEqual(replies[0]!.type, REP.ACK, `reply to ${query}`);
      }
    },
  },
  {
    id: `${word}-unknown-leaf`,
    level: 'MUST',
    section: 'The base: metadata namespace',
    quote:
      'If a [leaf-name] requested by the client is not recognized, the server MUST ignore it rather than report an error',
    skip: needs.allocation,
    run: async (lab) => {
      const session = await withStructured(lab);
      for (const leaf of ['base:nothing', 'base:allocation2', 'base:Allocation', 'base:alloc']) {
        const replies = await session.option(option, metaData(lab.name, [leaf]));
        mustEqual(replies.length, 1, `number of replies to ${leaf}`);
        mustEqual(replies[0]!.type, REP.ACK, `reply to ${leaf}`);
      }
    },
  },
  {
    id: `${word}-no-colon`,
    level: 'SHOULD',
    section: 'Option types',
    quote:
      'For requests that are semantically invalid (such as lacking the required colon that delimits the namespace), the server MAY fail the request with NBD_REP_ERR_INVALID',
    skip: needs.allocation,
    run: async (lab) => {
      const session = await withStructured(lab);
      const replies = await session.option(option, metaData(lab.name, ['allocation']));
      mustEqual(replies.length, 1, 'number of replies');
      must([REP.ACK, REP_ERR.INVALID].includes(replies[0]!.type as 1), 'reply type');
    },
  },
  {
    id: `${word}-unknown-export`,
    level: 'SHOULD',
    section: 'Option reply types',
    quote: 'NBD_REP_ERR_UNKNOWN: The requested export is not available',
    skip: needs.all(needs.structured, needs.unknownExport),
    run: async (lab) => {
      const session = await withStructured(lab);
      const data = metaData(lab.target.unknownExport!, ['base:allocation']);
      mustEqual(await session.optionResult(option, data), REP_ERR.UNKNOWN, 'reply type');
    },
  },
  {
    id: `${word}-many-queries`,
    level: 'MUST',
    section: 'Option types',
    quote:
      'the server MAY fail with NBD_REP_ERR_TOO_BIG if too many queries are requested (and must answer each option)',
    skip: needs.allocation,
    run: async (lab) => {
      const session = await withStructured(lab);
      const queries = Array.from({ length: 2000 }, (_, index) => `x-many:${index}`);
      const type = await session.optionResult(option, metaData(lab.name, queries));
      const allowed: number[] = [REP.ACK, REP_ERR.TOO_BIG, REP_ERR.INVALID];
      must(allowed.includes(type), `reply type 0x${type.toString(16)}`);
      await session.go(lab.name);
      await lab.alive(session);
    },
  },
]);

const list: readonly Case[] = [
  ...([[], ['base:'], ['base:allocation']] as const).map(
    (queries): Case => ({
      id: `list-meta-${queries[0] ?? 'everything'}`,
      level: 'MUST',
      section: 'Option types',
      quote:
        'If zero queries are sent, then the server MUST return all the metadata contexts; base: MUST [be supported] as a wildcard during NBD_OPT_LIST_META_CONTEXT',
      skip: needs.allocation,
      run: async (lab) => {
        const session = await withStructured(lab);
        const data = metaData(lab.name, queries);
        const contexts = contextsOf(await session.optionOk(OPT.LIST_META_CONTEXT, data));
        must(contexts.has('base:allocation'), 'base:allocation is not listed');
        const onlyBase =
          queries.length === 0 || [...contexts.keys()].every((c) => c.startsWith('base:'));
        must(onlyBase, 'a context that was not asked for');
      },
    }),
  ),
  {
    id: 'list-meta-selects-nothing',
    level: 'MUST',
    section: 'Metadata querying',
    quote:
      'the client MUST select one or more metadata contexts with the NBD_OPT_SET_META_CONTEXT command (listing is not selecting)',
    skip: needs.allocation,
    run: async (lab) => {
      const session = await withStructured(lab);
      await session.optionOk(OPT.LIST_META_CONTEXT, metaData(lab.name, ['base:allocation']));
      await session.go(lab.name);
      const reply = await session.call({ type: CMD.BLOCK_STATUS, length: 4096 });
      mustEqual(reply.error, ERR.EINVAL, 'error of BLOCK_STATUS');
    },
  },
];

/** Selections after which BLOCK_STATUS must be refused, by how they came about. */
const SELECTIONS: readonly (readonly [
  string,
  (lab: Lab) => readonly (readonly [string, readonly string[]])[],
])[] = [
  ['zero-queries', (lab) => [[lab.name, []]]],
  ['wildcard', (lab) => [[lab.name, ['base:']]]],
  [
    'replaced-by-nothing',
    (lab) => [
      [lab.name, ['base:allocation']],
      [lab.name, []],
    ],
  ],
];

const set: readonly Case[] = [
  {
    id: 'set-meta-without-structured',
    level: 'SHOULD',
    section: 'Option types',
    quote:
      'This option MUST NOT be requested unless structured replies or extended headers have been negotiated first. If a client attempts to do so, a server SHOULD send NBD_REP_ERR_INVALID or NBD_REP_ERR_EXT_HEADER_REQD',
    skip: needs.allocation,
    run: async (lab) => {
      const session = await lab.haggling();
      const data = metaData(lab.name, ['base:allocation']);
      // Limited to base:, so EXT_HEADER_REQD is excluded by the sentence after next.
      await refused(session, OPT.SET_META_CONTEXT, data, [REP_ERR.INVALID]);
    },
  },
  {
    id: 'set-meta-selects',
    level: 'MUST',
    section: 'Option types',
    quote:
      'the server MUST reply with a number of NBD_REP_META_CONTEXT replies, one for each selected metadata context, each with a unique metadata context ID, followed by NBD_REP_ACK',
    skip: needs.allocation,
    run: async (lab) => {
      const session = await withStructured(lab);
      const queries = ['x-none:a', 'base:allocation', 'base:allocation', 'base:none'];
      const contexts = await session.setMeta(lab.name, queries);
      mustEqual([...contexts.keys()].join(), 'base:allocation', 'selected contexts');
    },
  },
  ...SELECTIONS.map(
    ([word, selections]): Case => ({
      id: `set-meta-${word}`,
      level: 'MUST',
      section: 'Option types',
      quote:
        'If zero queries are sent, the server MUST select no metadata contexts; base: - the server MUST ignore this form; Issuing this command replaces all previously-set metadata contexts',
      skip: needs.allocation,
      run: async (lab) => {
        const session = await withStructured(lab);
        for (const [name, queries] of selections(lab)) {
          const contexts = await session.setMeta(name, queries);
          mustEqual(contexts.size, queries.includes('base:allocation') ? 1 : 0, 'contexts');
        }
        await session.go(lab.name);
        const reply = await session.call({ type: CMD.BLOCK_STATUS, length: 4096 });
        mustEqual(reply.error, ERR.EINVAL, 'error of BLOCK_STATUS');
        await lab.alive(session);
      },
    }),
  ),
  {
    id: 'set-meta-replaced-by-failure',
    level: 'MUST',
    section: 'Option types',
    quote:
      'Issuing this command replaces all previously-set metadata contexts (including when this command fails)',
    skip: needs.allocation,
    run: async (lab) => {
      const session = await withStructured(lab);
      await session.setMeta(lab.name, ['base:allocation']);
      must(isError(await session.optionResult(OPT.SET_META_CONTEXT, Buffer.alloc(3))), 'no error');
      await session.go(lab.name);
      const reply = await session.call({ type: CMD.BLOCK_STATUS, length: 4096 });
      mustEqual(reply.error, ERR.EINVAL, 'error of BLOCK_STATUS');
    },
  },
  {
    id: 'set-meta-other-export',
    level: 'SHOULD',
    section: 'Metadata querying',
    quote:
      'A client MUST NOT use NBD_CMD_BLOCK_STATUS unless it selected a nonzero number of metadata contexts during negotiation, and used the same export name for the subsequent NBD_OPT_GO … Servers SHOULD reply with NBD_EINVAL',
    skip: needs.all(needs.allocation, needs.readOnlyExport),
    run: async (lab) => {
      const session = await withStructured(lab);
      await session.setMeta(lab.target.readOnlyExport!, ['base:allocation']);
      await session.go(lab.name);
      const reply = await session.call({ type: CMD.BLOCK_STATUS, length: 4096 });
      mustEqual(reply.error, ERR.EINVAL, 'error of BLOCK_STATUS');
    },
  },
];

export const negotiationCases: readonly Case[] = [...styles, ...metaBoth, ...list, ...set];
