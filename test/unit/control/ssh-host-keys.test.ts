import { createPrivateKey, createPublicKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  newSshHostKey,
  SSH_KEY_KINDS,
  sshHostKey,
} from '../../../src/control/values/ssh-host-keys.ts';

/** The fields of an OpenSSH blob (RFC 4251, section 5). */
function fields(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    found.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return found;
}

describe('SSH host keys', () => {
  test.each(SSH_KEY_KINDS)('%s: the public line is that of the key which is kept', (kind) => {
    const pem = newSshHostKey(kind);
    const { privateText, publicLine } = sshHostKey(kind, pem, 'pc-1');
    const [type, blob = '', comment] = publicLine.split(' ');
    const [name, ...rest] = fields(Buffer.from(blob, 'base64'));
    expect([name?.toString(), comment]).toEqual([type, 'pc-1']);
    const { x = '', y = '' } = createPublicKey(createPrivateKey(pem)).export({ format: 'jwk' });
    const point = [x, y].map((value) => Buffer.from(value, 'base64url'));
    expect(rest.at(-1)?.subarray(kind === 'ecdsa' ? 1 : 0)).toEqual(Buffer.concat(point));
    expect(privateText).toMatch(
      /^-----BEGIN OPENSSH PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+\n-----END/,
    );
    // The same key, the same text: a machine's do not change from boot to boot.
    expect(sshHostKey(kind, pem, 'pc-1').privateText).toBe(privateText);
  });
});
