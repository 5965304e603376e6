import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toNetascii } from '../../../../src/pxe/tftp/netascii.ts';
import { servedName } from '../../../../src/pxe/tftp/served-names.ts';
import {
  decodeTftp,
  encodeData,
  encodeError,
  encodeOptionAck,
} from '../../../../src/pxe/tftp/wire/packet.ts';
import { SEED } from '../../../support/seed.ts';

function rrq(...strings: string[]): Buffer {
  return Buffer.from(`\0\x01${strings.map((text) => `${text}\0`).join('')}`, 'latin1');
}

describe('TFTP packets', () => {
  it('reads what OVMF asks', () => {
    expect(
      decodeTftp(rrq('ipxe.efi', 'OCTET', 'tsize', '0', 'BlkSize', '1468', 'windowsize', '4')),
    ).toEqual({
      kind: 'packet',
      packet: {
        kind: 'read',
        file: 'ipxe.efi',
        mode: 'octet',
        options: new Map([
          ['tsize', '0'],
          ['blksize', '1468'],
          ['windowsize', '4'],
        ]),
      },
    });
  });

  it.each<[string, Buffer]>([
    ['packet-too-short', Buffer.from([0, 4, 0])],
    ['unknown-opcode', Buffer.from([0, 9, 0, 0])],
    ['request-too-long', rrq('a'.repeat(600), 'octet')],
    ['request-not-terminated', rrq('file', 'octet').subarray(0, -1)],
    ['request-without-mode', rrq('file')],
    ['option-without-value', rrq('file', 'octet', 'blksize')],
    ['too-many-options', rrq('f', 'octet', ...Array.from({ length: 34 }, () => 'x'))],
  ])('names %s', (violation, bytes) => {
    expect(decodeTftp(bytes)).toEqual({ kind: 'violation', violation });
  });

  it('reads errors with and without their final zero', () => {
    for (const end of ['', '\0']) {
      expect(decodeTftp(Buffer.from(`\0\x05\0\x08no${end}`))).toEqual({
        kind: 'packet',
        packet: { kind: 'error', code: 8, message: 'no' },
      });
    }
  });

  it('is total: cut at every byte, and noise', () => {
    const good = rrq('ipxe.efi', 'octet', 'tsize', '0', 'blksize', '1468');
    for (let length = 0; length < good.length; length++) decodeTftp(good.subarray(0, length));
    fc.assert(
      fc.property(fc.nat(6), fc.uint8Array({ maxLength: 600, size: 'max' }), (opcode, noise) => {
        const bytes = Buffer.concat([Buffer.from([0, opcode]), noise]);
        expect(['packet', 'violation']).toContain(decodeTftp(bytes).kind);
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  it('writes DATA with its number rolled over, ERROR and OACK', () => {
    expect(encodeData(65_537, Buffer.from('x'))).toEqual(Buffer.from('\0\x03\0\x01x'));
    expect(encodeError(1, 'no\0pe')).toEqual(Buffer.from('\0\x05\0\x01nope\0'));
    expect(encodeOptionAck(new Map([['blksize', '8']]))).toEqual(
      Buffer.from('\0\x06blksize\x008\0'),
    );
  });

  it('converts line ends for netascii', () => {
    expect(toNetascii(Buffer.from('a\nb\rc\r\nd')).toString()).toBe('a\r\nb\r\0c\r\0\r\nd');
  });
});

const ipxeScript = (mac: string) => ({
  kind: 'script',
  script: { kind: 'machine', mac, language: 'ipxe' },
});

describe('what TFTP serves', () => {
  it.each([
    ['undionly.kpxe', { kind: 'loader', name: 'undionly.kpxe' }],
    ['/ipxe.efi', { kind: 'loader', name: 'ipxe.efi' }],
    ['52-54-00-12-34-56.ipxe', ipxeScript('52:54:00:12:34:56')],
    ['/52:54:00:AB:34:56.ipxe', ipxeScript('52:54:00:ab:34:56')],
  ])('%s', (name, served) => {
    expect(servedName(name)).toEqual(served);
  });

  it.each([
    '',
    '/',
    '//ipxe.efi',
    '../ipxe.efi',
    '/usr/lib/ipxe/ipxe.efi',
    './ipxe.efi',
    'ipxe.efi/',
    'IPXE.EFI',
    '..\\ipxe.efi',
    'ipxe.efi\0',
    '../../etc/passwd',
    '/etc/passwd',
    '%2e%2e/etc/passwd',
    '.ipxe',
    '../52-54-00-12-34-56.ipxe',
    '52-54-00-12-34-56.ipxe/../x',
    'constructor',
    '__proto__',
  ])('not %j', (name) => {
    expect(servedName(name)).toBeUndefined();
  });
});
