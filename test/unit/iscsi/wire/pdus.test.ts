/** Every PDU both ways, cut at every byte and damaged: a message, "need more" or a violation, never an exception. */
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  BHS_SIZE,
  crc32c,
  decodeFrame,
  decodeRequest,
  decodeResponse,
  type InitiatorPdu,
  padding,
  type TargetPdu,
  writeDataOut,
  writeRequest,
  writeResponse,
  writeScsiCommand,
} from '../../../../src/iscsi/wire/index.ts';
import { SEED } from '../../../support/seed.ts';

const u32 = fc.nat(0xffffffff);
const u16 = fc.nat(0xffff);
const flag = fc.boolean();
const lun = fc.record({ high: u32, low: u32 });
const isid = fc.record({ high: u16, low: u32 });
const dataLength = fc.nat(0xffffff);
const numbers = { itt: u32, statSN: u32, expCmdSN: u32, maxCmdSN: u32, dataLength };
const residual = { overflow: flag, underflow: flag, residual: u32 };
const kind = <K extends string>(name: K) => fc.constant(name);

const responses: fc.Arbitrary<TargetPdu> = fc.oneof(
  fc.record({
    ...{ kind: kind('login-response'), transit: flag, more: flag, isid, tsih: u16, status: u16 },
    ...{ currentStage: fc.nat(3), nextStage: fc.nat(3), versionActive: fc.nat(255), ...numbers },
  }),
  fc.record({ kind: kind('text-response'), final: flag, more: flag, ttt: u32, ...numbers }),
  fc.record({
    ...{ kind: kind('scsi-response'), response: fc.nat(255), status: fc.nat(255), expDataSN: u32 },
    ...{ ...residual, ...numbers },
  }),
  fc.record({
    ...{ kind: kind('data-in'), final: flag, hasStatus: flag, status: fc.nat(255), ttt: u32 },
    ...{ dataSN: u32, bufferOffset: u32, ...residual, ...numbers },
  }),
  fc.record({
    ...{ kind: kind('r2t'), lun, ttt: u32, r2tSN: u32, bufferOffset: u32, desiredLength: u32 },
    ...numbers,
  }),
  fc.record({ kind: kind('nop-in'), lun, ttt: u32, ...numbers }),
  fc.record({ kind: kind('task-management-response'), response: fc.nat(255), ...numbers }),
  fc.record({
    ...{ kind: kind('logout-response'), response: fc.nat(255), time2Wait: u16, time2Retain: u16 },
    ...numbers,
  }),
  fc.record({
    ...{ kind: kind('async-message'), lun, event: fc.nat(255), vcode: fc.nat(255) },
    ...{ parameter1: u16, parameter2: u16, parameter3: u16, ...numbers },
  }),
  fc.record({ kind: kind('reject'), reason: fc.nat(255), ...numbers }),
);

const orders = { itt: u32, cmdSN: u32, expStatSN: u32 };
const requests: fc.Arbitrary<InitiatorPdu> = fc.oneof(
  fc.record({
    ...{ kind: kind('login-request'), transit: fc.constant(true), more: flag, isid, tsih: u16 },
    ...{ currentStage: fc.nat(3), nextStage: fc.nat(3), cid: u16, dataLength, ...orders },
  }),
  fc.record({
    ...{ kind: kind('text-request'), immediate: flag, final: flag, more: flag, ttt: u32 },
    ...{ dataLength, ...orders },
  }),
  fc.record({
    ...{ kind: kind('scsi-command'), immediate: flag, final: flag, read: flag, write: flag, lun },
    ...{ attributes: fc.nat(7), expectedLength: u32, dataLength, ...orders },
  }),
  fc.record({
    ...{ kind: kind('data-out'), final: flag, lun, itt: u32, ttt: u32, expStatSN: u32 },
    ...{ dataSN: u32, bufferOffset: u32, dataLength },
  }),
  fc.record({ kind: kind('nop-out'), immediate: flag, lun, ttt: u32, dataLength, ...orders }),
  fc.record({
    ...{ kind: kind('task-management-request'), immediate: flag, fn: fc.nat(127), lun },
    ...{ referencedTag: u32, refCmdSN: u32, ...orders },
  }),
  fc.record({
    kind: kind('logout-request'),
    immediate: flag,
    reason: fc.nat(127),
    cid: u16,
    ...orders,
  }),
);

function encodeRequest(pdu: InitiatorPdu): Buffer {
  const bytes = Buffer.alloc(BHS_SIZE, 0xee);
  if (pdu.kind === 'scsi-command') writeScsiCommand(bytes, 0, pdu);
  else if (pdu.kind === 'data-out') writeDataOut(bytes, 0, pdu);
  else writeRequest(bytes, 0, pdu);
  return bytes;
}

describe('PDU headers', () => {
  it('of a target read back as they were written', () => {
    fc.assert(
      fc.property(responses, (pdu) => {
        const bytes = Buffer.alloc(BHS_SIZE + 5, 0xee);
        writeResponse(bytes, 3, pdu);
        expect(decodeResponse(bytes, 3)).toEqual(pdu);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it('of an initiator read back as they were written', () => {
    fc.assert(
      fc.property(requests, (pdu) => {
        expect(decodeRequest(encodeRequest(pdu), 0)).toMatchObject(pdu);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it('of any bytes are a message or a violation', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: BHS_SIZE, maxLength: BHS_SIZE }), (bytes) => {
        for (const decode of [decodeResponse, decodeRequest]) {
          expect(decode(Buffer.from(bytes), 0).kind).toBeTypeOf('string');
        }
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  // RFC 7143, 11.7.4: the layout, byte by byte, not through our own writer.
  test('SCSI Data-In as the document draws it', () => {
    const bytes = Buffer.from(
      '2581000000000200 0000000000000000 11223344 ffffffff 00000007 00000009 00000029 00000003 00001000 00000000'.replaceAll(
        ' ',
        '',
      ),
      'hex',
    );
    expect(decodeResponse(bytes, 0)).toEqual({
      kind: 'data-in',
      final: true,
      hasStatus: true,
      status: 0,
      overflow: false,
      underflow: false,
      residual: 0,
      itt: 0x11223344,
      ttt: 0xffffffff,
      statSN: 7,
      expCmdSN: 9,
      maxCmdSN: 0x29,
      dataSN: 3,
      bufferOffset: 4096,
      dataLength: 512,
    });
  });
});

describe('frames', () => {
  const rules = { headerDigest: false, maxDataSegment: 8192, maxAhs: 8 };
  const header = (ahsWords: number, length: number): Buffer => {
    const bytes = Buffer.alloc(BHS_SIZE + 4 * ahsWords);
    bytes.writeUInt32BE((ahsWords << 24) | length, 4);
    return bytes;
  };

  it.each([false, true])(
    'ask for more, honestly, at every cut (header digest %s)',
    (headerDigest) => {
      const plain = header(2, 100);
      const digest = Buffer.alloc(4);
      digest.writeUInt32LE(crc32c(plain));
      const bytes = headerDigest ? Buffer.concat([plain, digest]) : plain;
      for (let cut = 0; cut < bytes.length; cut += 1) {
        const frame = decodeFrame(bytes, 0, cut, { ...rules, headerDigest });
        if (frame.kind !== 'need-more') throw new Error(`cut at ${cut}: ${frame.kind}`);
        expect(frame.bytes).toBeGreaterThan(cut);
        expect(frame.bytes).toBeLessThanOrEqual(bytes.length);
      }
      const whole = decodeFrame(bytes, 0, bytes.length, { ...rules, headerDigest });
      expect(whole).toEqual({ kind: 'frame', size: bytes.length, ahsLength: 8, dataLength: 100 });
    },
  );

  it('are refused when they are too long, before anything is waited for', () => {
    const violation = (bytes: Buffer) => decodeFrame(bytes, 0, BHS_SIZE, rules);
    expect(violation(header(0, 8193))).toMatchObject({ violation: 'data-length' });
    expect(violation(header(3, 0))).toMatchObject({ violation: 'ahs-length' });
  });

  it('are refused for every bit that is wrong under a digest', () => {
    const plain = header(0, 100);
    const digest = Buffer.alloc(4);
    digest.writeUInt32LE(crc32c(plain));
    const bytes = Buffer.concat([plain, digest]);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const frame = decodeFrame(damaged, 0, damaged.length, { ...rules, headerDigest: true });
      expect(frame.kind === 'frame').toBe(false);
    }
  });

  it('pad to four bytes', () => {
    expect([0, 1, 2, 3, 4, 5].map(padding)).toEqual([0, 3, 2, 1, 0, 3]);
  });
});

describe('CRC32C', () => {
  // RFC 7143, appendix A.4; the digest stands in the order of a little-endian number.
  it.each([
    ['32 zeroes', Buffer.alloc(32), 'aa36918a'],
    ['32 ones', Buffer.alloc(32, 0xff), '43aba862'],
    ['32 rising', Buffer.from(Array.from({ length: 32 }, (_, index) => index)), '4e79dd46'],
    ['32 falling', Buffer.from(Array.from({ length: 32 }, (_, index) => 31 - index)), '5cdb3f11'],
  ])('of %s', (_, bytes, expected) => {
    const digest = Buffer.alloc(4);
    digest.writeUInt32LE(crc32c(bytes));
    expect(digest.toString('hex')).toBe(expected);
  });

  it('is the same in one piece, in two, and at any alignment', () => {
    const bitwise = (bytes: Buffer): number => {
      let crc = 0xffffffff;
      for (const byte of bytes) {
        crc ^= byte;
        for (let bit = 0; bit < 8; bit += 1)
          crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0x82f63b78;
      }
      return ~crc >>> 0;
    };
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.nat(7),
        fc.nat(400),
        (array, shift, cut) => {
          const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(array)]);
          const [start, middle] = [shift, Math.min(shift + cut, bytes.length)];
          const expected = bitwise(Buffer.from(array));
          expect(crc32c(bytes, start)).toBe(expected);
          expect(crc32c(bytes, middle, bytes.length, crc32c(bytes, start, middle))).toBe(expected);
        },
      ),
      { seed: SEED, numRuns: 300 },
    );
  });
});
