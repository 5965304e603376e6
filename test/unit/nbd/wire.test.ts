import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ERRNOS } from '../../../src/errors/index.ts';
import {
  NBD_CMD_BLOCK_STATUS,
  NBD_CMD_FLAG_PAYLOAD_LEN,
  NBD_CMD_READ,
  NBD_CMD_WRITE,
  NBD_REPLY_FLAG_DONE,
  NBD_REPLY_TYPE_BLOCK_STATUS,
  NBD_REPLY_TYPE_BLOCK_STATUS_EXT,
  NBD_REPLY_TYPE_ERROR,
  NBD_REPLY_TYPE_ERROR_OFFSET,
  NBD_REPLY_TYPE_NONE,
  NBD_REPLY_TYPE_OFFSET_DATA,
  NBD_REPLY_TYPE_OFFSET_HOLE,
} from '../../../src/nbd/wire/constants.ts';
import {
  chunkPrefix,
  decodeBlockStatusPayload,
  decodeChunk,
  decodeClientFlags,
  decodeExportNameReply,
  decodeExtendedRequest,
  decodeGreeting,
  decodeOption,
  decodeOptionReply,
  decodeReply,
  decodeRequest,
  encodeBlockStatus,
  encodeBlockStatusExtended,
  encodeBlockStatusPayload,
  encodeClientFlags,
  encodeErrorPayload,
  encodeExportNameReply,
  encodeGreeting,
  encodeOption,
  encodeOptionReply,
  errnoOfNbdError,
  joinUint64,
  NBD_ERROR,
  type OptionBody,
  type OptionReplyBody,
  type RequestFields,
  readUint64,
  writeExtendedHeader,
  writeExtendedRequest,
  writeOffsetHole,
  writeRequest,
  writeSimpleReply,
  writeStructuredHeader,
  writeUint64,
} from '../../../src/nbd/wire/index.ts';
import { MAX_OPTION_DATA, MAX_OPTION_SKIP, MAX_STRING } from '../../../src/nbd/wire/limits.ts';
import { SEED } from '../../support/seed.ts';

const RUNS = { seed: SEED, numRuns: 300 };

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const uint53 = fc.maxSafeNat();
const text = fc.string({ unit: 'grapheme', maxLength: 60 }).map((s) => s.replaceAll('\0', ''));

type Decoded = { readonly kind: string; readonly size?: number; readonly bytes?: number };
type Decoder = (source: Buffer, start: number, end: number) => Decoded;

/** Every prefix asks for more, honestly; the whole, at any place in a buffer, gives the message. */
function decodesAtEveryCut(decode: Decoder, message: Buffer): Decoded {
  for (let cut = 0; cut < message.length; cut += 1) {
    const result = decode(message, 0, cut);
    if (result.kind !== 'need-more') throw new Error(`cut at ${cut}: ${JSON.stringify(result)}`);
    expect(result.bytes).toBeGreaterThan(cut);
    expect(result.bytes).toBeLessThanOrEqual(message.length);
  }
  const framed = Buffer.concat([Buffer.from([1, 2, 3]), message, Buffer.from([4, 5])]);
  const result = decode(framed, 3, framed.length);
  expect(result.size).toBe(message.length);
  expect(decode(message, 0, message.length)).toEqual(result);
  return result;
}

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

describe('numbers', () => {
  it('reads back every safe integer, and keeps what is larger larger', () => {
    fc.assert(
      fc.property(uint53, (value) => {
        const bytes = Buffer.alloc(8);
        writeUint64(bytes, value, 0);
        expect(readUint64(bytes, 0)).toBe(value);
        expect(bytes.readBigUInt64BE(0)).toBe(BigInt(value));
        expect(joinUint64(bytes.readInt32BE(0), bytes.readInt32BE(4))).toBe(value);
      }),
      RUNS,
    );
    expect(readUint64(Buffer.alloc(8, 0xff), 0)).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
    expect(joinUint64(-1, -1)).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
  });
});

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

const requestFields: fc.Arbitrary<RequestFields> = fc.record({
  flags: fc.integer({ min: 0, max: 0xffff }),
  type: fc.integer({ min: 0, max: 0xffff }),
  cookieHigh: int32,
  cookieLow: int32,
  offset: uint53,
  length: uint32,
});

describe('requests', () => {
  it('round trips compact headers at every cut', () => {
    fc.assert(
      fc.property(requestFields, (fields) => {
        const bytes = Buffer.alloc(28);
        expect(writeRequest(bytes, 0, fields)).toBe(28);
        const payloadLength = fields.type === NBD_CMD_WRITE ? fields.length : 0;
        expect(decodesAtEveryCut(decodeRequest, bytes)).toMatchObject({ ...fields, payloadLength });
      }),
      RUNS,
    );
  });

  it('round trips extended headers at every cut', () => {
    fc.assert(
      fc.property(requestFields, uint53, (fields, length) => {
        const bytes = Buffer.alloc(32);
        expect(writeExtendedRequest(bytes, 0, { ...fields, length })).toBe(32);
        const payloadLength =
          (fields.flags & NBD_CMD_FLAG_PAYLOAD_LEN) !== 0 || fields.type === NBD_CMD_WRITE
            ? length
            : 0;
        const decoded = decodesAtEveryCut(decodeExtendedRequest, bytes);
        expect(decoded).toMatchObject({ ...fields, length, payloadLength });
      }),
      RUNS,
    );
  });

  it('takes only its own magic', () => {
    const bytes = Buffer.alloc(32);
    writeRequest(bytes, 0, {
      flags: 0,
      type: NBD_CMD_READ,
      cookieHigh: 0,
      cookieLow: 1,
      offset: 0,
      length: 1,
    });
    expect(decodeExtendedRequest(bytes, 0, 32)).toMatchObject({ violation: 'request-magic' });
    for (const historic of [0x12560953, 0x25609514]) {
      bytes.writeUInt32BE(historic, 0);
      expect(decodeRequest(bytes, 0, 28)).toMatchObject({ violation: 'request-magic' });
    }
  });

  it('round trips the payload of a block status request', () => {
    fc.assert(
      fc.property(
        uint53,
        fc.array(uint32, { minLength: 1, maxLength: 5 }),
        (length, contextIds) => {
          expect(decodeBlockStatusPayload(encodeBlockStatusPayload(length, contextIds))).toEqual({
            kind: 'block-status-payload',
            length,
            contextIds,
          });
        },
      ),
      RUNS,
    );
    for (const size of [0, 7, 8, 11, 13, 15]) {
      expect(decodeBlockStatusPayload(Buffer.alloc(size)).kind).toBe('violation');
    }
    expect(NBD_CMD_BLOCK_STATUS).toBe(7);
  });
});

describe('replies', () => {
  const echo = fc.record({
    cookieHigh: int32,
    cookieLow: int32,
    offsetHigh: int32,
    offsetLow: int32,
  });

  it('round trips every header at every cut', () => {
    fc.assert(
      fc.property(echo, uint32, fc.integer({ min: 0, max: 65_536 }), (request, error, length) => {
        const { cookieHigh, cookieLow } = request;
        const simple = Buffer.alloc(16);
        writeSimpleReply(simple, 0, error, request);
        const decoded = decodesAtEveryCut((s, a, b) => decodeReply(s, a, b, 'simple'), simple);
        expect(decoded).toMatchObject({ kind: 'simple-reply', error, cookieHigh, cookieLow });
        const structured = Buffer.alloc(20);
        writeStructuredHeader(structured, 0, NBD_REPLY_FLAG_DONE, 1, request, length);
        expect(
          decodesAtEveryCut((s, a, b) => decodeReply(s, a, b, 'structured'), structured),
        ).toMatchObject({
          kind: 'chunk-header',
          done: true,
          type: 1,
          cookieHigh,
          cookieLow,
          length,
        });
        const extended = Buffer.alloc(32);
        writeExtendedHeader(extended, 0, 0, 2, request, length);
        expect(
          decodesAtEveryCut((s, a, b) => decodeReply(s, a, b, 'extended'), extended),
        ).toMatchObject({
          kind: 'chunk-header',
          done: false,
          type: 2,
          offset: joinUint64(request.offsetHigh, request.offsetLow),
          length,
        });
      }),
      RUNS,
    );
  });

  it('refuses a style that was not negotiated, and absurd lengths', () => {
    const request = { cookieHigh: 0, cookieLow: 0, offsetHigh: 0, offsetLow: 0 };
    const simple = Buffer.alloc(16);
    writeSimpleReply(simple, 0, 0, request);
    expect(decodeReply(simple, 0, 16, 'extended')).toMatchObject({ violation: 'reply-style' });
    expect(decodeReply(simple, 0, 16, 'structured').kind).toBe('simple-reply');
    const structured = Buffer.alloc(20);
    writeStructuredHeader(structured, 0, 1, 1, request, 2 ** 31);
    expect(decodeReply(structured, 0, 20, 'simple')).toMatchObject({ violation: 'reply-style' });
    expect(decodeReply(structured, 0, 20, 'structured')).toMatchObject({
      violation: 'reply-length',
    });
    expect(decodeReply(Buffer.alloc(4), 0, 4, 'simple')).toMatchObject({
      violation: 'reply-magic',
    });
  });

  it('round trips chunks', () => {
    const extents = fc.array(
      fc.record({ length: fc.integer({ min: 1, max: 2 ** 32 - 1 }), flags: fc.nat(3) }),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(uint32, extents, (contextId, list) => {
        const compact = encodeBlockStatus(contextId, list);
        expect(decodeChunk(NBD_REPLY_TYPE_BLOCK_STATUS, compact.length, compact, false)).toEqual({
          kind: 'block-status',
          contextId,
          extents: list,
        });
        const long = encodeBlockStatusExtended(contextId, list);
        expect(decodeChunk(NBD_REPLY_TYPE_BLOCK_STATUS_EXT, long.length, long, true)).toEqual({
          kind: 'block-status',
          contextId,
          extents: list,
        });
      }),
      RUNS,
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), text, uint53, (error, message, offset) => {
        const plain = encodeErrorPayload(error, message);
        expect(decodeChunk(NBD_REPLY_TYPE_ERROR, plain.length, plain, false)).toEqual({
          kind: 'error',
          error,
          message,
          offset: undefined,
        });
        const placed = encodeErrorPayload(error, message, offset);
        expect(decodeChunk(NBD_REPLY_TYPE_ERROR_OFFSET, placed.length, placed, true)).toEqual({
          kind: 'error',
          error,
          message,
          offset,
        });
      }),
      RUNS,
    );
    const hole = Buffer.alloc(12);
    writeOffsetHole(hole, 0, 8192, 4096);
    expect(decodeChunk(NBD_REPLY_TYPE_OFFSET_HOLE, 12, hole, false)).toEqual({
      kind: 'offset-hole',
      offset: 8192,
      length: 4096,
    });
    expect(decodeChunk(NBD_REPLY_TYPE_OFFSET_DATA, 9, Buffer.alloc(8), false)).toEqual({
      kind: 'offset-data',
      offset: 0,
      length: 1,
    });
    expect(decodeChunk(NBD_REPLY_TYPE_NONE, 0, Buffer.alloc(0), false)).toEqual({ kind: 'none' });
  });

  it('never throws on a chunk of garbage', () => {
    const types = [0, 1, 2, 3, 5, 6, 0x8001, 0x8002, 0x8003, 0xffff];
    fc.assert(
      fc.property(
        fc.constantFrom(...types),
        fc.uint8Array({ maxLength: 64 }),
        fc.boolean(),
        (type, bytes, extended) => {
          const prefix = Buffer.from(bytes).subarray(0, chunkPrefix(type, bytes.length));
          expect(decodeChunk(type, bytes.length, prefix, extended).kind).toBeTypeOf('string');
        },
      ),
      RUNS,
    );
  });
});

describe('errors', () => {
  it('are understood on the other side', () => {
    const folded = { EROFS: 'EPERM', ESTALE: 'EIO', ETIMEDOUT: 'EIO' } as const;
    for (const errno of ERRNOS) {
      const expected = errno in folded ? folded[errno as keyof typeof folded] : errno;
      expect(errnoOfNbdError(NBD_ERROR[errno])).toBe(expected);
    }
    expect(errnoOfNbdError(9999)).toBe('EINVAL');
  });
});
