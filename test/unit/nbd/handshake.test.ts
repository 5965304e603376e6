import { describe, expect, it } from 'vitest';
import { MemoryDevice } from '../../../src/block/index.ts';
import { Fault } from '../../../src/errors/index.ts';
import {
  type HandshakePolicy,
  type Negotiated,
  onClientFlags,
  onOption,
  onTls,
} from '../../../src/nbd/handshake.ts';
import { answerContexts, answerFailure, answerList } from '../../../src/nbd/handshake-answers.ts';
import {
  decodeOption,
  decodeOptionReply,
  encodeOption,
  type Option,
  type OptionBody,
  type OversizedOption,
  type ReceivedOptionReply,
} from '../../../src/nbd/wire/index.ts';

const POLICY: HandshakePolicy = { tls: 'off', draining: false, maximumOptions: 100 };
const START: Negotiated = {
  fixedNewstyle: true,
  noZeroes: true,
  tls: false,
  style: 'simple',
  contexts: undefined,
  options: 0,
};
const SELECTED = { exportName: 'a', ids: [1] };

function received(body: OptionBody): Option | OversizedOption {
  const bytes = encodeOption(body);
  const decoded = decodeOption(bytes, 0, bytes.length);
  if (decoded.kind !== 'option') throw new Error(decoded.kind);
  return decoded;
}

/** An option of a given number with data that no encoder would make. */
function raw(code: number, data: Buffer): Option | OversizedOption {
  const header = encodeOption({ name: 'list' });
  header.writeUInt32BE(code, 8);
  header.writeUInt32BE(data.length, 12);
  const bytes = Buffer.concat([header, data]);
  const decoded = decodeOption(bytes, 0, bytes.length);
  if (decoded.kind !== 'option' && decoded.kind !== 'oversized-option') throw new Error();
  return decoded;
}

function replies(bytes: Buffer | undefined): ReceivedOptionReply[] {
  const list: ReceivedOptionReply[] = [];
  let at = 0;
  while (bytes !== undefined && at < bytes.length) {
    const decoded = decodeOptionReply(bytes, at, bytes.length);
    if (decoded.kind !== 'option-reply') throw new Error(decoded.kind);
    list.push(decoded.body);
    at += decoded.size;
  }
  return list;
}

const NAMED = ['list', 'starttls', 'structured-reply', 'extended-headers'] as const;
const GO: OptionBody = { name: 'go', exportName: 'a', infos: [] };
const BY_NAME: OptionBody = { name: 'export-name', exportName: 'a' };

/** before, option, policy → effect, error in the reply (or 'ack', or nothing) */
const TABLE: [
  string,
  Partial<Negotiated>,
  OptionBody,
  Partial<HandshakePolicy>,
  string,
  string?,
][] = [
  ['abort', {}, { name: 'abort' }, {}, 'end', 'ack'],
  ['abort while draining', {}, { name: 'abort' }, { draining: true }, 'end', 'ack'],
  ['abort before TLS', {}, { name: 'abort' }, { tls: 'required' }, 'end', 'ack'],
  ['list', {}, { name: 'list' }, {}, 'list'],
  ['go', {}, GO, {}, 'describe'],
  ['export name', {}, BY_NAME, {}, 'enter-by-name'],
  ['export name after extended headers', { style: 'extended' }, BY_NAME, {}, 'drop'],
  ['structured', {}, { name: 'structured-reply' }, {}, 'nothing', 'ack'],
  [
    'structured after extended',
    { style: 'extended' },
    { name: 'structured-reply' },
    {},
    'nothing',
    'extended-headers-required',
  ],
  ['extended', {}, { name: 'extended-headers' }, {}, 'nothing', 'ack'],
  [
    'extended after structured',
    { style: 'structured' },
    { name: 'extended-headers' },
    {},
    'nothing',
    'ack',
  ],
  [
    'contexts without structured',
    {},
    { name: 'set-meta-context', exportName: '', queries: [] },
    {},
    'nothing',
    'invalid',
  ],
  [
    'list contexts without structured',
    {},
    { name: 'list-meta-context', exportName: '', queries: [] },
    {},
    'nothing',
    'invalid',
  ],
  [
    'contexts',
    { style: 'structured' },
    { name: 'set-meta-context', exportName: '', queries: [] },
    {},
    'contexts',
  ],
  ['starttls, off', {}, { name: 'starttls' }, {}, 'nothing', 'policy'],
  ['starttls, allowed', {}, { name: 'starttls' }, { tls: 'allowed' }, 'start-tls', 'ack'],
  ['starttls, required', {}, { name: 'starttls' }, { tls: 'required' }, 'start-tls', 'ack'],
  [
    'starttls twice',
    { tls: true },
    { name: 'starttls' },
    { tls: 'required' },
    'nothing',
    'invalid',
  ],
  [
    'starttls without fixed newstyle',
    { fixedNewstyle: false },
    { name: 'starttls' },
    { tls: 'allowed' },
    'nothing',
    'policy',
  ],
  ['go before required TLS', {}, GO, { tls: 'required' }, 'nothing', 'tls-required'],
  [
    'list before required TLS',
    {},
    { name: 'list' },
    { tls: 'required' },
    'nothing',
    'tls-required',
  ],
  ['export name before required TLS', {}, BY_NAME, { tls: 'required' }, 'drop'],
  ['go after TLS', { tls: true }, GO, { tls: 'required' }, 'describe'],
  ['go before allowed TLS', {}, GO, { tls: 'allowed' }, 'describe'],
  ['go while draining', {}, GO, { draining: true }, 'nothing', 'shutdown'],
  ['export name while draining', {}, BY_NAME, { draining: true }, 'drop'],
  ['one option too many', { options: 100 }, { name: 'list' }, {}, 'drop'],
  ['the last option', { options: 99 }, { name: 'list' }, {}, 'list'],
];

describe('the table', () => {
  it.each(TABLE)('%s', (_, before, body, policy, effect, reply) => {
    const step = onOption({ ...START, ...before }, received(body), { ...POLICY, ...policy });
    expect(step.effect.do).toBe(effect);
    const [answer] = replies(step.reply);
    expect(answer?.name === 'error' ? answer.error : answer?.name).toBe(reply);
  });

  it('remembers what was negotiated', () => {
    for (const [name, style] of [
      ['structured-reply', 'structured'],
      ['extended-headers', 'extended'],
    ] as const) {
      const { state } = onOption(START, received({ name }), POLICY);
      expect(state).toMatchObject({ phase: 'haggling', negotiated: { style, options: 1 } });
    }
  });

  it('data with an option that takes none is invalid, unknown options are unsupported', () => {
    for (const name of NAMED) {
      const { code } = received({ name });
      const step = onOption(START, raw(code, Buffer.from('x')), { ...POLICY, tls: 'allowed' });
      expect(replies(step.reply)).toMatchObject([{ name: 'error', error: 'invalid' }]);
    }
    const required = { ...POLICY, tls: 'required' as const };
    const tls = onOption(START, raw(5, Buffer.from('x')), required);
    expect(replies(tls.reply)).toMatchObject([{ name: 'error', error: 'invalid' }]);
    for (const code of [4, 12, 0, 0xffffffff]) {
      const step = onOption(START, raw(code, Buffer.from('x')), POLICY);
      expect(replies(step.reply)).toMatchObject([{ name: 'error', error: 'unsupported' }]);
    }
    const abort = onOption(START, raw(2, Buffer.from('bye')), POLICY);
    expect(abort.effect.do).toBe('end');
  });

  it('oversized options are told so; an oversized export name cannot be', () => {
    const big = (code: number): OversizedOption => ({
      kind: 'oversized-option',
      size: 16,
      code,
      skip: 100_000,
    });
    expect(replies(onOption(START, big(7), POLICY).reply)).toMatchObject([{ error: 'too-big' }]);
    expect(onOption(START, big(1), POLICY).effect.do).toBe('drop');
  });

  it('a failed SET_META_CONTEXT still forgets the contexts before it', () => {
    const before: Negotiated = { ...START, style: 'structured', contexts: SELECTED };
    const failed = onOption(before, raw(10, Buffer.from('x')), POLICY);
    expect(replies(failed.reply)).toMatchObject([{ error: 'invalid' }]);
    expect(failed.state).toMatchObject({ negotiated: { contexts: undefined } });
    const other = onOption(before, received({ name: 'list' }), POLICY);
    expect(other.state).toMatchObject({ negotiated: { contexts: SELECTED } });
  });

  it('TLS forgets everything but the client flags', () => {
    const before: Negotiated = { ...START, style: 'extended', contexts: SELECTED, options: 5 };
    expect(onTls(before)).toEqual({
      phase: 'haggling',
      negotiated: { ...START, tls: true, options: 5 },
    });
  });

  it('client flags', () => {
    const flags = { kind: 'client-flags', size: 4, fixedNewstyle: false, noZeroes: true } as const;
    expect(onClientFlags(flags, POLICY).state.phase).toBe('haggling');
    expect(onClientFlags(flags, { ...POLICY, tls: 'required' }).effect.do).toBe('drop');
  });
});

describe('answers', () => {
  it('meta context queries', () => {
    const status = (): [] => [];
    const opened = {
      name: 'a',
      description: '',
      device: new MemoryDevice({ size: 4096 }),
      readOnly: false,
      contexts: [
        { name: 'qemu:dirty-bitmap:monday', status },
        { name: 'qemu:allocation-depth', status },
      ],
      close: () => Promise.resolve(),
    };
    const cases: [string[], boolean, number[]][] = [
      [[], false, [1, 2, 3]],
      [[], true, []],
      [['base:'], false, [1]],
      [['base:'], true, []],
      [['base:allocation'], true, [1]],
      [['base:allocation', 'base:allocation'], true, [1]],
      [['qemu:'], false, [2, 3]],
      [['qemu:dirty-bitmap:'], false, [2]],
      [['qemu:'], true, []],
      [['qemu:allocation-depth', 'base:allocation'], true, [1, 3]],
      [['base:nosuch', 'x-other:thing', 'nocolon', 'qemu'], true, []],
      [['base:nosuch', 'x-other:thing', 'nocolon', 'qemu'], false, []],
    ];
    const names = ['', 'base:allocation', 'qemu:dirty-bitmap:monday', 'qemu:allocation-depth'];
    for (const [queries, select, ids] of cases) {
      const { reply, selected } = answerContexts(10, opened, 'a', queries, select);
      const expected = ids.map((id) => ({
        name: 'meta-context',
        id: select ? id : 0,
        context: names[id],
      }));
      expect(replies(reply), JSON.stringify(queries)).toEqual([...expected, { name: 'ack' }]);
      expect(selected?.ids ?? []).toEqual(select ? ids : []);
    }
  });

  it('tells a client only what a Fault says', () => {
    const cases: [unknown, string][] = [
      [new Fault('EXPORT_NOT_FOUND', 'no'), 'unknown-export'],
      [new Fault('PERMISSION_DENIED', 'no'), 'policy'],
      [new Fault('UNAVAILABLE', 'no'), 'shutdown'],
      [new Error('/secret/path'), 'unknown-export'],
    ];
    for (const [failure, error] of cases) {
      const [reply] = replies(answerFailure(7, failure));
      expect(reply).toMatchObject({ name: 'error', error });
      expect(JSON.stringify(reply)).not.toContain('secret');
    }
  });

  it('leaves out of a list what no client could ask for', () => {
    const list = answerList(3, [
      { name: 'good', description: 'd'.repeat(10_000) },
      { name: 'x'.repeat(5000), description: '' },
    ]);
    expect(replies(list)).toMatchObject([{ exportName: 'good' }, { name: 'ack' }]);
  });
});
