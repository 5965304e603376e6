import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeMountPath } from '../../../../../src/adapters/nfs/wire/mount3.ts';
import * as nfs3 from '../../../../../src/adapters/nfs/wire/nfs3.ts';
import {
  FILE_ATTRIBUTES,
  readShareAttributes,
} from '../../../../../src/adapters/nfs/wire/nfs4-attributes.ts';
import { Compound } from '../../../../../src/adapters/nfs/wire/nfs4-compound.ts';
import { encodeGetPort } from '../../../../../src/adapters/nfs/wire/portmap.ts';
import { callTemplate, sealCall } from '../../../../../src/adapters/nfs/wire/rpc-message.ts';
import { XdrReader, XdrWriter } from '../../../../../src/adapters/nfs/wire/xdr.ts';
import { SEED } from '../../../../support/seed.ts';

import { ANSWERS } from './answers.ts';

/** Copies, so that the buffer of a writer that is written to again does not matter. */
const CASES = ANSWERS.map(([name, bytes, decode, wanted]) => ({
  name,
  bytes: Buffer.from(bytes),
  decode,
  wanted,
}));

describe.each(CASES)('$name', ({ bytes, decode, wanted }) => {
  it('is read', () => {
    expect(decode(new XdrReader(bytes, 0, bytes.length))).toEqual(wanted);
  });

  it('is refused when it is cut, at any byte', () => {
    for (let end = 0; end < bytes.length; end += 1) {
      expect(decode(new XdrReader(bytes, 0, end)), `cut at ${end}`).toBeUndefined();
    }
  });

  it('never throws and never reads beyond its end, whatever the bytes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.nat(bytes.length),
        (changes, end) => {
          const changed = Buffer.from(bytes);
          for (const [at, value] of changes) changed[at] = value;
          const reader = new XdrReader(changed, 0, end);
          decode(reader);
          expect(reader.at).toBeLessThanOrEqual(end);
        },
      ),
      { seed: SEED, numRuns: 200 },
    );
  });
});

describe('what goes out', () => {
  const hex = (bytes: Buffer): string => bytes.toString('hex');

  it('is a call as RFC 5531 has it', () => {
    const credential = { machine: 'ab', uid: 1, gid: 2, groups: [2, 3] };
    const template = callTemplate(100_003, 3, 6, credential);
    sealCall(template, 0, template.length - 4, 0x01020304);
    expect(hex(template)).toBe(
      [
        '80000048', // last fragment, 72 bytes
        '01020304',
        '00000000', // CALL
        '00000002',
        '000186a3',
        '00000003',
        '00000006',
        '00000001', // AUTH_SYS
        '00000020',
        '00000000',
        '00000002' + '61620000',
        '00000001',
        '00000002',
        '00000002' + '00000002' + '00000003',
        '00000000' + '00000000', // no verifier
      ].join(''),
    );
  });

  it('has no more than sixteen groups', () => {
    const groups = Array.from({ length: 40 }, (_, group) => group);
    const many = callTemplate(1, 1, 1, { machine: '', uid: 0, gid: 0, groups });
    const sixteen = callTemplate(1, 1, 1, {
      machine: '',
      uid: 0,
      gid: 0,
      groups: groups.slice(0, 16),
    });
    expect(hex(many)).toBe(hex(sixteen));
  });

  it('is arguments as RFC 1813 and RFC 1833 have them', () => {
    expect(hex(encodeMountPath('/abc'))).toBe('000000042f616263');
    expect(hex(encodeGetPort(100_005, 3))).toBe('000186a5000000030000000600000000');
    const handle = Buffer.from([1, 2, 3]);
    expect(hex(nfs3.encodeName(handle, 'x'))).toBe('0000000301020300' + '0000000178000000');
    expect(hex(nfs3.encodeSetAttributes(handle, { size: 2 ** 33 }))).toBe(
      '0000000301020300' +
        '00000000'.repeat(3) +
        '00000001' +
        '0000000200000000' +
        '00000000'.repeat(3),
    );
    expect(hex(nfs3.encodeCreateExclusive(handle, 'x', Buffer.alloc(8, 9)))).toBe(
      '0000000301020300' + '0000000178000000' + '00000002' + '0909090909090909',
    );
    expect(hex(nfs3.encodeCreateGuarded(handle, 'x', 0o640))).toBe(
      '0000000301020300' +
        '0000000178000000' +
        '00000001' +
        '00000001000001a0' +
        '00000000'.repeat(5),
    );
  });

  it('is a compound as RFC 7530 has it', () => {
    const wanted = new Compound().root().lookup('sr').handle().attributes(FILE_ATTRIBUTES);
    expect(hex(wanted.bytes())).toBe(
      [
        '00000000' + '00000000' + '00000004',
        '00000018',
        '0000000f' + '00000002' + '73720000',
        '0000000a',
        '00000009' + '00000002' + '00100112' + '00202002',
      ].join(''),
    );
  });
});

it('refuses attributes that were not asked for: what follows them cannot be read', () => {
  const bytes = new XdrWriter()
    .u32(1)
    .u32(1 << 2)
    .opaque(Buffer.alloc(4))
    .bytes();
  const reader = new XdrReader(bytes, 0, bytes.length);
  readShareAttributes(reader);
  expect(reader.ok).toBe(false);
});
