import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ERRNOS } from '../../../../src/errors/index.ts';
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
} from '../../../../src/nbd/wire/constants.ts';
import {
  chunkPrefix,
  decodeBlockStatusPayload,
  decodeChunk,
  decodeExtendedRequest,
  decodeReply,
  decodeRequest,
  encodeBlockStatus,
  encodeBlockStatusExtended,
  encodeBlockStatusPayload,
  encodeErrorPayload,
  errnoOfNbdError,
  joinUint64,
  NBD_ERROR,
  type RequestFields,
  readUint64,
  writeExtendedHeader,
  writeExtendedRequest,
  writeOffsetHole,
  writeRequest,
  writeSimpleReply,
  writeStructuredHeader,
  writeUint64,
} from '../../../../src/nbd/wire/index.ts';
import { int32, RUNS, text, uint32, uint53 } from './arbitraries.ts';
import { decodesAtEveryCut } from './every-cut.ts';

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
