import { describe, expect, it } from 'vitest';
import { matchAddresses, withoutMapping } from '../../../src/base/index.ts';

describe('an IP address', () => {
  it.each([
    ['10.0.0.7', ['10.0.0.7', '::ffff:10.0.0.7', '::FFFF:A00:7', '0:0:0:0:0:ffff:10.0.0.7']],
    ['::ffff:10.0.0.7', ['10.0.0.7', '::ffff:a00:7']],
    ['FD00:0:0::7', ['fd00::7', 'fd00:0:0:0:0:0:0:7']],
    ['fe80::1%eth0', ['fe80::1']],
    ['10.1.0.0/16', ['10.1.2.3', '::ffff:10.1.2.3']],
    ['FD00::/64', ['fd00::9']],
  ])('%s is the same however it is written', (one, same) => {
    for (const each of same) expect([each, matchAddresses([one])(each)]).toEqual([each, true]);
  });

  it('is not another one, and what is none is never one', () => {
    const matches = matchAddresses(['10.0.0.7', 'fd00::7', '10.1.0.0/16', 'host', '']);
    for (const each of [
      '10.0.0.8',
      '::10.0.0.7',
      'fd00::8',
      '10.2.0.1',
      'host',
      '10.1.0.0/16',
      '',
    ]) {
      expect([each, matches(each)]).toEqual([each, false]);
    }
    expect(matchAddresses([])('10.0.0.7')).toBe(false);
  });

  it('of IPv4 that is written as one of IPv6 becomes itself, and no other one changes', () => {
    for (const mapped of ['::ffff:192.0.2.7', '::FFFF:C000:207', '0:0:0:0:0:ffff:192.0.2.7']) {
      expect(withoutMapping(mapped)).toBe('192.0.2.7');
    }
    const others = ['192.0.2.7', 'FD00:0:0::7', '::192.0.2.7', '::1', 'fe80::1%eth0', 'host'];
    for (const other of others) expect(withoutMapping(other)).toBe(other);
    expect(withoutMapping('::ffff:0.0.0.1')).toBe('0.0.0.1');
  });
});
