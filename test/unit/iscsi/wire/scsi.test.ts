/** CDBs, text, sense and parameter data: both ways where there are two, and nothing that a LUN answers throws. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CDB_SIZE,
  type Cdb,
  decodeBinaryValue,
  decodeBlockLimits,
  decodeCapacity10,
  decodeCapacity16,
  decodeCdb,
  decodeDesignators,
  decodeInquiry,
  decodeLbaStatus,
  decodeLuns,
  decodeModeSense,
  decodeProvisioning,
  decodeRotationRate,
  decodeSense,
  decodeSerial,
  decodeSupportedPages,
  decodeText,
  encodeBinaryValue,
  encodeCdb,
  encodeSense,
  encodeText,
  encodeUnmapList,
  isAfter,
  lunOf,
  next,
  numberOfLun,
} from '../../../../src/iscsi/wire/index.ts';
import { SEED } from '../../../support/seed.ts';

const lba = fc.maxSafeInteger().map((value) => Math.floor(Math.abs(value) / 2));
const u32 = fc.nat(0xffffffff);
const u16 = fc.nat(0xffff);
const op = <K extends string>(...names: K[]) => fc.constantFrom(...names);

const cdbs: fc.Arbitrary<Cdb> = fc.oneof(
  fc.record({ op: op('read-10', 'write-10'), lba: u32, blocks: u16, fua: fc.boolean() }),
  fc.record({ op: op('read-16', 'write-16'), lba, blocks: u32, fua: fc.boolean() }),
  fc.record({ op: op('synchronize-cache-10'), lba: u32, blocks: u16 }),
  fc.record({ op: op('synchronize-cache-16'), lba, blocks: u32 }),
  fc.record({ op: op('write-same-16'), lba, blocks: u32, unmap: fc.boolean(), ndob: fc.boolean() }),
  fc.record({ op: op('unmap'), length: u16 }),
  fc.record({ op: op('test-unit-ready', 'read-capacity-10') }),
  fc.record({ op: op('report-luns', 'read-capacity-16'), allocation: u32 }),
  fc.record({
    op: op('inquiry'),
    page: fc.option(fc.nat(255), { nil: undefined }),
    allocation: u16,
  }),
  fc.record({ op: op('mode-sense-6'), page: fc.nat(255), allocation: fc.nat(255) }),
  fc.record({ op: op('mode-sense-10'), page: fc.nat(255), allocation: u16 }),
  fc.record({ op: op('get-lba-status'), lba, allocation: u32 }),
);

describe('CDBs', () => {
  it('read back as they were written', () => {
    fc.assert(
      fc.property(cdbs, (cdb) => {
        const bytes = Buffer.alloc(CDB_SIZE);
        encodeCdb(bytes, 0, cdb);
        expect(decodeCdb(bytes, 0)).toEqual(cdb);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it.each<[string, Cdb, string]>([
    [
      'READ(16)',
      { op: 'read-16', lba: 0x123456789a, blocks: 8, fua: true },
      '8808000000123456789a000000080000',
    ],
    [
      'WRITE(10)',
      { op: 'write-10', lba: 1, blocks: 2, fua: false },
      '2a000000000100000200000000000000',
    ],
    ['UNMAP', { op: 'unmap', length: 24 }, '42000000000000001800000000000000'],
    ['INQUIRY', { op: 'inquiry', page: 0x83, allocation: 255 }, '12018300ff0000000000000000000000'],
    [
      'WRITE SAME(16)',
      { op: 'write-same-16', lba: 16, blocks: 1, unmap: true, ndob: true },
      '93090000000000000010000000010000',
    ],
  ])('%s looks as the standard says', (_, cdb, hex) => {
    const bytes = Buffer.alloc(CDB_SIZE);
    encodeCdb(bytes, 0, cdb);
    expect(bytes.toString('hex')).toBe(hex);
  });

  it('of any bytes are a command or a violation', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: CDB_SIZE, maxLength: CDB_SIZE }), (bytes) => {
        const decoded = decodeCdb(Buffer.from(bytes), 0);
        expect('op' in decoded || decoded.kind === 'violation').toBe(true);
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });
});

describe('text', () => {
  it('reads back as it was written', () => {
    const word = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !/[\0=]/.test(text));
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word)), (pairs) => {
        expect(decodeText(encodeText(pairs))).toEqual({ kind: 'text', pairs });
      }),
      { seed: SEED },
    );
  });

  it.each([
    ['text-end', 'A=b'],
    ['text-pair', 'nothing\0'],
    ['text-pair', '=b\0'],
    ['text-key-length', `${'k'.repeat(64)}=v\0`],
    ['text-value-length', `k=${'v'.repeat(8193)}\0`],
    ['text-pairs', 'a=b\0'.repeat(16_385)],
  ])('is refused: %s', (violation, text) => {
    expect(decodeText(Buffer.from(text))).toEqual({ kind: 'violation', violation });
  });

  it('has binary values in two notations, within a length', () => {
    const bytes = Buffer.from('00ff10', 'hex');
    expect(decodeBinaryValue(encodeBinaryValue(bytes), 3)).toEqual(bytes);
    expect(decodeBinaryValue('0XfF', 3)).toEqual(Buffer.from([255]));
    expect(decodeBinaryValue('0xf', 3)).toEqual(Buffer.from([15]));
    expect(decodeBinaryValue(`0b${bytes.toString('base64')}`, 3)).toEqual(bytes);
    for (const wrong of ['', '0x', '0b', 'ff', '0xzz', '0b*', '0x01020304']) {
      expect(decodeBinaryValue(wrong, 3)).toBeUndefined();
    }
  });
});

describe('what LUNs answer', () => {
  it('throws nothing, whatever it is and wherever it is cut', () => {
    const decoders: readonly ((data: Buffer) => unknown)[] = [
      decodeInquiry,
      decodeSupportedPages,
      decodeSerial,
      decodeDesignators,
      decodeBlockLimits,
      decodeRotationRate,
      decodeProvisioning,
      decodeCapacity10,
      decodeCapacity16,
      decodeLuns,
      (data) => decodeModeSense(data, false),
      (data) => decodeModeSense(data, true),
      decodeLbaStatus,
      decodeSense,
      decodeText,
    ];
    const page = fc
      .tuple(fc.constantFrom(0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2), fc.uint8Array({ maxLength: 90 }))
      .map(([code, body]) => Buffer.from([0, code, 0, body.length, ...body]));
    const any = fc.uint8Array({ maxLength: 90 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(page, any), fc.nat(94), (bytes, cut) => {
        for (const decode of decoders) {
          decode(bytes);
          decode(bytes.subarray(0, cut));
        }
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  it('names the disk by what belongs to the LUN, not to its port', () => {
    const ofPort = [0x01, 0x93, 0, 8, 5, 0, 0, 0, 0, 0, 0, 1];
    const ofLun = [0x01, 0x03, 0, 8, 0x50, 1, 2, 3, 4, 5, 6, 7];
    const body = [...ofPort, ...ofLun, 0x02, 0x01, 0, 200]; // the last one is cut off
    const data = Buffer.from([0, 0x83, 0, body.length, ...body]);
    expect(decodeDesignators(data)).toEqual([{ type: 3, id: Buffer.from(ofLun.slice(4)) }]);
  });

  it('says sense in either format', () => {
    expect(decodeSense(encodeSense(6, 0x2a09))).toEqual({ key: 6, asc: 0x2a09, deferred: false });
    const descriptor = Buffer.from([0, 8, 0x73, 0x03, 0x11, 0x01, 0, 0, 0, 0]);
    expect(decodeSense(descriptor)).toEqual({ key: 3, asc: 0x1101, deferred: true });
    expect(decodeSense(Buffer.from([0, 4, 0x7f, 1, 2, 3]))).toBeUndefined();
  });

  it('says sizes beyond 32 bits, and those that no number holds are refused', () => {
    const data = Buffer.alloc(32);
    data.writeUInt32BE(2, 0);
    data.writeUInt32BE(512, 8);
    data[14] = 0xc0;
    expect(decodeCapacity16(data)).toMatchObject({
      blocks: 2 ** 33 + 1,
      thin: true,
      readsZeroes: true,
    });
    data.writeUInt32BE(0xffffffff, 0);
    expect(decodeCapacity16(data)).toBeUndefined();
    expect(decodeCapacity10(Buffer.alloc(8, 0xff))).toBe('overflow');
  });

  it('finds the caching page behind block descriptors and subpages', () => {
    const subpage = [0x0a | 0x40, 1, 0, 2, 9, 9];
    const caching = [0x08, 0x12, 0x04, ...Array<number>(17).fill(0)];
    const data = Buffer.from([0, 0, 0x90, 8, ...Array<number>(8).fill(0), ...subpage, ...caching]);
    expect(decodeModeSense(data, false)).toEqual({
      writeProtected: true,
      fua: true,
      writeCache: true,
    });
  });

  it('is asked to unmap ranges', () => {
    const list = encodeUnmapList([{ lba: 2 ** 33, blocks: 5 }]);
    expect(list.toString('hex')).toBe('0016001000000000000000020000000000000005' + '00000000');
  });
});

describe('numbers', () => {
  it('of LUNs go both ways, as far as they are simple', () => {
    for (const number of [0, 1, 255, 256, 16_383]) expect(numberOfLun(lunOf(number))).toBe(number);
    expect(lunOf(256)).toEqual({ high: 0x41000000, low: 0 });
    expect(numberOfLun({ high: 0xc1000000, low: 0 })).toBeUndefined();
    expect(numberOfLun({ high: 0x00010001, low: 0 })).toBeUndefined();
  });

  it('wrap as serial numbers', () => {
    expect(next(0xffffffff)).toBe(0);
    expect(isAfter(0, 0xffffffff)).toBe(true);
    expect(isAfter(0xffffffff, 0)).toBe(false);
    expect(isAfter(5, 5)).toBe(false);
  });
});
