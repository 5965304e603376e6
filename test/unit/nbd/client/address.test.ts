import { describe, expect, test } from 'vitest';
import { parseNbdUri } from '../../../../src/nbd/index.ts';

const tcp = (host: string, port = 10_809) => ({ transport: 'tcp', host, port });
const unix = (path: string) => ({ transport: 'unix', path });

describe('NBD URIs (doc/uri.md)', () => {
  test.each([
    ['nbd://example.com', tcp('example.com'), ''],
    ['nbd://example.com/', tcp('example.com'), ''],
    ['nbd://example.com:10810/disk', tcp('example.com', 10_810), 'disk'],
    ['nbd://[2001:db8::1]:99/disk', tcp('2001:db8::1', 99), 'disk'],
    ['nbd:///disk', tcp('localhost'), 'disk'],
    ['nbd://h/machine/desk-07', tcp('h'), 'machine/desk-07'],
    ['nbd://h//leading', tcp('h'), '/leading'],
    ['nbd://h/with%20space%2Fslash', tcp('h'), 'with space/slash'],
    ['nbd://h/%C3%BCber', tcp('h'), 'über'],
    ['nbd+unix:///?socket=/run/nbd.sock', unix('/run/nbd.sock'), ''],
    ['nbd+unix:///name?socket=/run/nbd.sock', unix('/run/nbd.sock'), 'name'],
    ['nbd+unix:///name?socket=/tmp/a%20b', unix('/tmp/a b'), 'name'],
    ['NBD://h/x', tcp('h'), 'x'],
  ])('%s', (text, address, exportName) => {
    const uri = parseNbdUri(text);
    expect(uri.address).toEqual(address);
    expect(uri.exportName).toBe(exportName);
    expect(uri.tls).toBe(false);
  });

  test('TLS and its parameters', () => {
    const uri = parseNbdUri(
      'nbds://alice@h/x?tls-psk-file=/k&tls-certificates=/c&tls-hostname=n&tls-verify-peer=false',
    );
    expect(uri).toMatchObject({
      tls: true,
      user: 'alice',
      tlsPskFile: '/k',
      tlsCertificates: '/c',
      tlsHostname: 'n',
      tlsVerifyPeer: false,
    });
    expect(parseNbdUri('nbds+unix:///x?socket=/s')).toMatchObject({
      tls: true,
      address: unix('/s'),
      tlsVerifyPeer: true,
    });
  });

  test.each([
    'http://h/x',
    'nbd:h/x',
    'h:10809',
    '',
    'nbd+vsock:///x',
    'nbd+ssh://h/x',
    'nbd+unix:///x',
    'nbd+unix:///x?socket=',
    'nbd+unix://h/x?socket=/s',
    'nbd://h/x?socket=/s',
    'nbd://h:99999/x',
    'nbd://h/%ff',
    'nbd://h/x#y',
  ])('%j is refused', (text) => {
    expect(() => parseNbdUri(text)).toThrow(
      expect.objectContaining({ name: 'Fault', code: 'INVALID_INPUT' }),
    );
  });
});
