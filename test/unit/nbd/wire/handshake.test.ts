import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeClientFlags,
  decodeExportNameReply,
  decodeGreeting,
  decodeOption,
  decodeOptionReply,
  encodeClientFlags,
  encodeExportNameReply,
  encodeGreeting,
  encodeOption,
  encodeOptionReply,
  type OptionBody,
  type OptionReplyBody,
} from '../../../../src/nbd/wire/index.ts';
import { MAX_OPTION_DATA, MAX_OPTION_SKIP, MAX_STRING } from '../../../../src/nbd/wire/limits.ts';
import { RUNS, text, uint32, uint53 } from './arbitraries.ts';
import { decodesAtEveryCut } from './every-cut.ts';

const exportName = text;
const optionBody: fc.Arbitrary<OptionBody> = fc.oneof(
  fc.record({ name: fc.constant('export-name' as const), exportName }),
  fc.record({
    name: fc.constantFrom('abort', 'list', 'starttls', 'structured-reply', 'extended-headers'),
  }),
  fc.record({
    name: fc.constantFrom('info', 'go'),
    exportName,
    infos: fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 6 }),
  }),
  fc.record({
    name: fc.constantFrom('list-meta-context', 'set-meta-context'),
    exportName,
    queries: fc.array(text, { maxLength: 4 }),
  }),
) as fc.Arbitrary<OptionBody>;

const optionReplyBody: fc.Arbitrary<OptionReplyBody> = fc.oneof(
  fc.record({ name: fc.constant('ack' as const) }),
  fc.record({ name: fc.constant('server' as const), exportName, description: text }),
  fc.record({
    name: fc.constant('info-export' as const),
    exportSize: uint53,
    flags: fc.integer({ min: 0, max: 0xffff }),
  }),
  fc.record({ name: fc.constant('info-name' as const), exportName }),
  fc.record({ name: fc.constant('info-description' as const), description: text }),
  fc.record({
    name: fc.constant('info-block-size' as const),
    sizes: fc.record({ minimum: uint32, preferred: uint32, maximumPayload: uint32 }),
  }),
  fc.record({ name: fc.constant('meta-context' as const), id: uint32, context: text }),
  fc.record({
    name: fc.constant('error' as const),
    error: fc.constantFrom(
      'unsupported' as const,
      'policy' as const,
      'invalid' as const,
      'platform' as const,
      'tls-required' as const,
      'unknown-export' as const,
      'shutdown' as const,
      'block-size-required' as const,
      'too-big' as const,
      'extended-headers-required' as const,
    ),
    message: text,
  }),
);

describe('greeting', () => {
  it('round trips at every cut', () => {
    const greeting = decodesAtEveryCut(decodeGreeting, encodeGreeting());
    expect(greeting).toMatchObject({ fixedNewstyle: true, noZeroes: true });
    for (const fixedNewstyle of [true, false]) {
      for (const noZeroes of [true, false]) {
        const flags = decodesAtEveryCut(
          decodeClientFlags,
          encodeClientFlags({ fixedNewstyle, noZeroes }),
        );
        expect(flags).toMatchObject({ fixedNewstyle, noZeroes });
        const reply = decodesAtEveryCut(
          (source, start, end) => decodeExportNameReply(source, start, end, noZeroes),
          encodeExportNameReply(123456789012345, 0x1234, noZeroes),
        );
        expect(reply).toMatchObject({ exportSize: 123456789012345, transmissionFlags: 0x1234 });
        expect(reply.size).toBe(noZeroes ? 10 : 134);
      }
    }
  });

  it('names what is not a newstyle server, as early as it can', () => {
    expect(decodeGreeting(Buffer.from('HTTP/1.1 400'), 0, 12)).toEqual({
      kind: 'violation',
      violation: 'not-nbd',
    });
    const oldstyle = Buffer.concat([
      Buffer.from('NBDMAGIC'),
      Buffer.from('0000420281861253', 'hex'),
    ]);
    expect(decodeGreeting(oldstyle, 0, 16)).toMatchObject({ violation: 'oldstyle-server' });
    const other = Buffer.concat([Buffer.from('NBDMAGIC'), Buffer.alloc(10)]);
    expect(decodeGreeting(other, 0, 18)).toMatchObject({ violation: 'unknown-style' });
  });

  it('refuses client flags nobody defined', () => {
    for (const flags of [4, 0x80000000, 7]) {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(flags);
      expect(decodeClientFlags(bytes, 0, 4)).toMatchObject({ violation: 'unknown-client-flags' });
    }
  });
});

describe('options', () => {
  it('round trips every option at every cut', () => {
    fc.assert(
      fc.property(optionBody, (body) => {
        const result = decodesAtEveryCut(decodeOption, encodeOption(body));
        expect(result).toMatchObject({ kind: 'option', body });
      }),
      RUNS,
    );
  });

  it('never throws on garbage behind a valid header, and names a broken option malformed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.uint8Array({ maxLength: 64 }),
        (code, data) => {
          const header = Buffer.from('49484156454f50540000000000000000', 'hex');
          header.writeUInt32BE(code, 8);
          header.writeUInt32BE(data.length, 12);
          const result = decodeOption(Buffer.concat([header, data]), 0, 16 + data.length);
          expect(result).toMatchObject({ kind: 'option', code });
        },
      ),
      RUNS,
    );
  });

  it('never throws on a corrupted option', () => {
    fc.assert(
      fc.property(optionBody, fc.nat(), fc.integer({ min: 0, max: 255 }), (body, where, value) => {
        const bytes = encodeOption(body);
        bytes[where % bytes.length] = value;
        const result = decodeOption(bytes, 0, bytes.length);
        expect(['option', 'oversized-option', 'need-more', 'violation']).toContain(result.kind);
      }),
      RUNS,
    );
  });

  it('does not wait for data beyond its limits', () => {
    const header = encodeOption({ name: 'list' });
    header.writeUInt32BE(MAX_OPTION_DATA, 12);
    expect(decodeOption(header, 0, 16)).toEqual({ kind: 'need-more', bytes: 16 + MAX_OPTION_DATA });
    header.writeUInt32BE(MAX_OPTION_DATA + 1, 12);
    expect(decodeOption(header, 0, 16)).toEqual({
      kind: 'oversized-option',
      size: 16,
      code: 3,
      skip: MAX_OPTION_DATA + 1,
    });
    header.writeUInt32BE(MAX_OPTION_SKIP + 1, 12);
    expect(decodeOption(header, 0, 16)).toMatchObject({ violation: 'option-length' });
    header.writeUInt32BE(0, 0);
    expect(decodeOption(header, 0, 16)).toMatchObject({ violation: 'option-magic' });
  });

  it('refuses names that are no strings of the protocol', () => {
    const names = [
      Buffer.from('a\0b'),
      Buffer.from([0xff, 0xfe]),
      Buffer.alloc(MAX_STRING + 1, 'a'),
    ];
    for (const name of names) {
      const header = encodeOption({ name: 'export-name', exportName: '' });
      header.writeUInt32BE(name.length, 12);
      const bytes = Buffer.concat([header, name]);
      expect(decodeOption(bytes, 0, bytes.length)).toMatchObject({ body: { name: 'malformed' } });
    }
    const longest = 'a'.repeat(MAX_STRING);
    const bytes = encodeOption({ name: 'export-name', exportName: longest });
    expect(decodeOption(bytes, 0, bytes.length)).toMatchObject({ body: { exportName: longest } });
  });

  it('refuses inner lengths that do not add up', () => {
    const info = encodeOption({ name: 'info', exportName: 'disk', infos: [3] });
    for (const nameLength of [0, 3, 5, 6, 7, 0xffffffff]) {
      const bytes = Buffer.from(info);
      bytes.writeUInt32BE(nameLength, 16);
      expect(decodeOption(bytes, 0, bytes.length)).toMatchObject({ body: { name: 'malformed' } });
    }
    const set = encodeOption({ name: 'set-meta-context', exportName: '', queries: ['base:'] });
    for (const [at, value] of [
      [20, 0],
      [20, 2],
      [20, 0xffffffff],
      [24, 4],
      [24, 6],
      [24, 0xffffffff],
    ] as const) {
      const bytes = Buffer.from(set);
      bytes.writeUInt32BE(value, at);
      expect(decodeOption(bytes, 0, bytes.length)).toMatchObject({ body: { name: 'malformed' } });
    }
  });
});

describe('option replies', () => {
  it('round trips every reply at every cut', () => {
    fc.assert(
      fc.property(uint32, optionReplyBody, (code, body) => {
        const result = decodesAtEveryCut(decodeOptionReply, encodeOptionReply(code, body));
        expect(result).toMatchObject({ kind: 'option-reply', code, body });
      }),
      RUNS,
    );
  });

  it('never throws on a corrupted reply, and bounds what it waits for', () => {
    fc.assert(
      fc.property(
        optionReplyBody,
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        (body, at, value) => {
          const bytes = encodeOptionReply(7, body);
          bytes[at % bytes.length] = value;
          const result = decodeOptionReply(bytes, 0, bytes.length);
          if (result.kind === 'need-more') expect(result.bytes).toBeLessThan(10_000);
        },
      ),
      RUNS,
    );
  });

  it('keeps unknown errors and unknown infos apart from violations', () => {
    const error = encodeOptionReply(3, { name: 'error', error: 'policy', message: 'no' });
    error.writeUInt32BE(0x80001234, 12);
    expect(decodeOptionReply(error, 0, error.length)).toMatchObject({
      body: { name: 'error-unknown', type: 0x80001234, message: 'no' },
    });
    error.writeUInt32BE(99, 12);
    expect(decodeOptionReply(error, 0, error.length)).toMatchObject({
      violation: 'option-reply-type',
    });
  });
});
