import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCacheReport } from '../../../../src/pxe/http/cache-report.ts';
import { MAX_CACHE_REASON_BYTES } from '../../../../src/pxe/limits.ts';
import { SEED } from '../../../support/seed.ts';

const GOOD = 'mode=device-ram\nstate=good\nreason=a = b\nsize=4096\nused=512\n';

describe('the report of a write cache', () => {
  test('is lines of names and values', () => {
    expect(parseCacheReport(GOOD)).toEqual({
      mode: 'device-ram',
      state: 'good',
      reason: 'a = b',
      sizeBytes: 4096,
      usedBytes: 512,
    });
    expect(parseCacheReport('mode=none\nstate=refused')).toEqual({
      mode: undefined,
      state: 'refused',
      reason: '',
      sizeBytes: 0,
      usedBytes: 0,
    });
  });

  test.each([
    ['', 'mode: expected one of'],
    ['mode=server-persistent\nstate=good', 'mode: expected one of'],
    ['mode=server\nstate=waiting', 'state: expected one of'],
    [`${GOOD}mode=server`, 'mode: expected once'],
    [`${GOOD}colour=red`, 'expected lines NAME=VALUE'],
    ['mode=server\nstate=good\nsize=1\nused=2', 'size, used: expected'],
    ['mode=server\nstate=good\nsize=01', 'size, used: expected'],
    ['mode=server\nstate=good\nsize=9999999999999999', 'size, used: expected'],
    [
      `mode=server\nstate=good\nreason=${'x'.repeat(MAX_CACHE_REASON_BYTES + 1)}`,
      'reason: expected',
    ],
    ['mode=server\nstate=good\nreason=\x1b[2J', 'reason: expected'],
  ])('says what is wrong with %j', (text, why) => {
    expect(parseCacheReport(text)).toContain(why);
  });

  test('is an answer, whatever is sent', () => {
    fc.assert(
      fc.property(fc.nat(GOOD.length), fc.string({ unit: 'binary', maxLength: 20 }), (at, junk) => {
        const said = parseCacheReport(GOOD.slice(0, at) + junk + GOOD.slice(at));
        if (typeof said !== 'string') expect(said.usedBytes).toBeLessThanOrEqual(said.sizeBytes);
      }),
      { seed: SEED },
    );
  });
});
