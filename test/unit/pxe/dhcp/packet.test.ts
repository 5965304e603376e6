import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DHCP_MESSAGE } from '../../../../src/pxe/dhcp/wire/option-numbers.ts';
import { type DhcpPacket, decodeDhcp, encodeDhcp } from '../../../../src/pxe/dhcp/wire/packet.ts';
import { SEED } from '../../../support/seed.ts';
import { DISCOVER, FIRMWARE, hex, MAC, rawDhcp } from '../firmware-packets.ts';

function decoded(bytes: Buffer): DhcpPacket {
  const result = decodeDhcp(bytes);
  if (result.kind === 'violation') throw new Error(result.violation);
  return result.packet;
}

function violation(bytes: Buffer): string | undefined {
  const result = decodeDhcp(bytes);
  return result.kind === 'violation' ? result.violation : undefined;
}

describe('decoding DHCP packets', () => {
  it('reads every field', () => {
    const packet = decoded(
      rawDhcp({
        message: 3,
        xid: 0xdeadbeef,
        flags: 0x8000,
        ciaddr: '10.0.0.7',
        giaddr: '10.1.0.1',
        options: [[60, 'PXEClient']],
      }),
    );
    expect(packet).toMatchObject({
      op: 'request',
      message: 'REQUEST',
      xid: 0xdeadbeef,
      broadcast: true,
      ciaddr: 0x0a000007,
      giaddr: 0x0a010001,
      mac: MAC,
      fileName: '',
    });
    expect(packet.options.get(60)?.toString()).toBe('PXEClient');
  });

  it('joins the pieces of a long option (RFC 3396)', () => {
    const packet = decoded(
      rawDhcp({
        message: 1,
        options: [
          [67, 'a'.repeat(255)],
          [12, 'x'],
          [67, 'bc'],
        ],
      }),
    );
    expect(packet.options.get(67)?.toString()).toBe(`${'a'.repeat(255)}bc`);
  });

  it('reads overloaded fields, file before sname, and then takes them for no names', () => {
    const bytes = rawDhcp({
      message: 1,
      options: [
        [52, hex('03')],
        [67, 'one-'],
      ],
    });
    hex('43 04 74776f2d ff').copy(bytes, 108);
    hex('43 05 7468726565 ff').copy(bytes, 44);
    const packet = decoded(bytes);
    expect(packet.options.get(67)?.toString()).toBe('one-two-three');
    expect(packet).toMatchObject({ fileName: '', serverName: '' });
  });

  it('accepts an option area that is not ended', () => {
    const bytes = rawDhcp({ message: 1, options: [[12, 'host']] });
    expect(decoded(bytes.subarray(0, -1)).options.get(12)?.toString()).toBe('host');
  });

  it.each<[string, string, (bytes: Buffer) => Buffer]>([
    ['packet-too-short', 'a header cut off', (bytes) => bytes.subarray(0, 239)],
    ['packet-too-long', 'more than a frame', (bytes) => Buffer.concat([bytes], 1501)],
    ['unknown-op', 'op 3', (bytes) => patched(bytes, 0, 3)],
    ['not-dhcp', 'another magic cookie', (bytes) => patched(bytes, 236, 0)],
    ['not-ethernet', 'htype 6', (bytes) => patched(bytes, 1, 6)],
    ['not-ethernet', 'hlen 16', (bytes) => patched(bytes, 2, 16)],
    ['bad-hardware-address', 'a group address', (bytes) => patched(bytes, 28, 1)],
    ['no-message-type', 'no option 53', (bytes) => patched(bytes, 240, 12)],
    [
      'no-message-type',
      'option 53 twice',
      () => rawDhcp({ message: 1, options: [[53, hex('01')]] }),
    ],
    ['unknown-message-type', 'type 9', (bytes) => patched(bytes, 242, 9)],
    ['option-truncated', 'a value beyond the end', (bytes) => patched(bytes, 244, 200)],
    ['bad-overload', 'overload 4', () => rawDhcp({ message: 1, options: [[52, hex('04')]] })],
    [
      'bad-overload',
      'overload of no byte',
      () => rawDhcp({ message: 1, options: [[52, hex('')]] }),
    ],
    [
      'option-too-long',
      'an option in five pieces',
      () =>
        rawDhcp({
          message: 1,
          options: Array.from({ length: 5 }, () => [67, 'x'.repeat(240)] as const),
        }),
    ],
  ])('names %s: %s', (name, _what, change) => {
    expect(violation(change(rawDhcp({ message: 1, options: [[12, 'host']] })))).toBe(name);
  });

  it('survives every firmware packet cut at every byte', () => {
    for (const options of Object.values(FIRMWARE)) {
      const bytes = rawDhcp({ message: DISCOVER, options });
      expect(violation(bytes)).toBeUndefined();
      for (let length = 0; length < bytes.length; length++) {
        const result = decodeDhcp(bytes.subarray(0, length));
        if (length < 240) expect(result).toMatchObject({ violation: 'packet-too-short' });
        // Past the message type a cut on an option's edge is an area without END; else named.
        else if (result.kind === 'violation') {
          expect(['option-truncated', 'no-message-type']).toContain(result.violation);
        } else expect(result.packet.mac).toBe(MAC);
      }
    }
  });

  it('is total on mutated packets', () => {
    const good = rawDhcp({ message: DISCOVER, options: FIRMWARE.ipxeRom });
    const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12, size: 'max' }), (changes) => {
        const bytes = Buffer.from(good);
        for (const [at, value] of changes) bytes[at] = value;
        expect(['packet', 'violation']).toContain(decodeDhcp(bytes).kind);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('is total on noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1600, size: 'max' }), (noise) => {
        const header = rawDhcp({ message: 1 }).subarray(0, 240);
        expect(['packet', 'violation']).toContain(decodeDhcp(Buffer.from(noise)).kind);
        expect(['packet', 'violation']).toContain(decodeDhcp(Buffer.concat([header, noise])).kind);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});

function patched(bytes: Buffer, at: number, value: number): Buffer {
  bytes[at] = value;
  return bytes;
}

describe('encoding DHCP packets', () => {
  const u32 = fc.nat(0xffffffff);
  const packets = fc.record<DhcpPacket>({
    op: fc.constantFrom('request', 'reply'),
    message: fc.constantFrom(...(Object.keys(DHCP_MESSAGE) as (keyof typeof DHCP_MESSAGE)[])),
    hops: fc.nat(255),
    xid: u32,
    secs: fc.nat(65535),
    broadcast: fc.boolean(),
    ciaddr: u32,
    yiaddr: u32,
    siaddr: u32,
    giaddr: u32,
    mac: fc
      .nat(0xffff)
      .map((n) => `52:54:00:00:${n.toString(16).padStart(4, '0').replace(/..$/, ':$&')}`),
    serverName: fc.stringMatching(/^[!-~]{0,63}$/),
    fileName: fc.stringMatching(/^[!-~]{0,127}$/),
    options: fc
      .uniqueArray(
        fc.tuple(
          fc.integer({ min: 1, max: 254 }),
          fc.uint8Array({ minLength: 1, maxLength: 300, size: 'max' }),
        ),
        {
          selector: ([code]) => code,
          maxLength: 1,
        },
      )
      .map(
        (list) =>
          new Map(
            list
              .filter(([code]) => code !== 52 && code !== 53)
              .map(([c, v]) => [c, Buffer.from(v)]),
          ),
      ),
  });

  it('is the inverse of decoding', () => {
    fc.assert(
      fc.property(packets, (packet) => {
        const again = decoded(encodeDhcp(packet));
        const options = new Map(again.options);
        expect(options.get(53)).toEqual(Buffer.from([DHCP_MESSAGE[packet.message]]));
        options.delete(53);
        expect({ ...again, options: undefined }).toEqual({ ...packet, options: undefined });
        expect([...options]).toEqual([...packet.options]);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it('pads to the 300 bytes of BOOTP', () => {
    expect(encodeDhcp(decoded(rawDhcp({ message: 2 }))).length).toBe(300);
  });

  it('refuses what no client must accept', () => {
    const packet = decoded(
      rawDhcp({
        message: 2,
        options: [
          [12, 'a'.repeat(200)],
          [15, 'b'.repeat(200)],
        ],
      }),
    );
    expect(() => encodeDhcp(packet)).toThrow(RangeError);
  });
});
