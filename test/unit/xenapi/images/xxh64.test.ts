import { describe, expect, it } from 'vitest';
import { xxh64 } from '../../../../src/xenapi/images/xxh64.ts';

/**
 * The generator of the reference implementation's sanity test (xxHash, tests/sanity_test.c): bytes are the upper half of
 * a 64-bit number that is multiplied by PRIME64_1 each time.
 */
function sanityBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 2654435761n;
  for (let at = 0; at < length; at += 1) {
    bytes.writeUInt8(Number(state >> 56n), at);
    state = (state * 11400714785074694797n) % 2n ** 64n;
  }
  return bytes;
}

describe('XXH64', () => {
  it.each([
    ['', 'EF46DB3751D8E999'],
    ['a', 'D24EC4F1A98C6E5B'],
    ['abc', '44BC2CF5AD770999'],
    ['message digest', '066ED728FCEEB3BE'],
    ['abcdefghijklmnopqrstuvwxyz', 'CFE1F278FA89835C'],
    ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 'AAA46907D3047814'],
    ['1234567890'.repeat(8), 'E04A477F19EE145D'],
  ])('of %j is %s', (text, hash) => {
    expect(xxh64(Buffer.from(text))).toBe(hash);
  });

  it.each([
    [1, 'E934A84ADB052768'],
    [4, '9136A0DCA57457EE'],
    [14, '8282DCC4994E35C8'],
    [222, 'B641AE8CB691C174'],
  ])('of the sanity bytes, %d of them, is %s', (length, hash) => {
    expect(xxh64(sanityBytes(length))).toBe(hash);
  });

  it('does not depend on where in memory the bytes are', () => {
    const bytes = sanityBytes(1000);
    const moved = Buffer.concat([Buffer.alloc(3), bytes]).subarray(3);
    expect(xxh64(moved)).toBe(xxh64(bytes));
  });
});
