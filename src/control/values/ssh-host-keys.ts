/**
 * A machine's SSH host keys: made once, kept as PKCS #8, handed out as sshd reads them (OpenSSH's
 * PROTOCOL.key, without a passphrase). Ed25519, and ECDSA on P-256 for clients that must not use it.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

export const SSH_KEY_KINDS = ['ed25519', 'ecdsa'] as const;
export type SshKeyKind = (typeof SSH_KEY_KINDS)[number];

export interface SshHostKey {
  readonly kind: SshKeyKind;
  /** Text of /etc/ssh/ssh_host_KIND_key. */
  readonly privateText: string;
  /** One line, without its end: that of ssh_host_KIND_key.pub, and of known_hosts. */
  readonly publicLine: string;
}

/** @returns PKCS #8, PEM */
export function newSshHostKey(kind: SshKeyKind): string {
  const { privateKey } =
    kind === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** @param pem what newSshHostKey gave. @param comment for people */
export function sshHostKey(kind: SshKeyKind, pem: string, comment: string): SshHostKey {
  const fields = fieldsOf(kind, createPrivateKey(pem));
  const { type, publicBlob, privateFields } = fields;
  // Twice the same number: only who decrypts with a wrong passphrase would see two.
  const secret = Buffer.concat([Buffer.alloc(8), text(type), privateFields, text(comment)]);
  const padding = Buffer.from(
    Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1),
  );
  const whole = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    ...[text('none'), text('none'), text('')],
    uint32(1),
    field(publicBlob),
    field(Buffer.concat([secret, padding])),
  ]);
  const lines = whole.toString('base64').match(/.{1,70}/g) ?? [];
  const [begin, end] = ['BEGIN', 'END'].map((word) => `-----${word} OPENSSH PRIVATE KEY-----`);
  return {
    kind,
    privateText: `${[begin, ...lines, end].join('\n')}\n`,
    publicLine: `${publicKeyOf(fields)} ${comment}`,
  };
}

/** The same line without its comment. @param pem what newSshHostKey gave */
export function sshPublicKey(kind: SshKeyKind, pem: string): string {
  return publicKeyOf(fieldsOf(kind, createPrivateKey(pem)));
}

function publicKeyOf({ type, publicBlob }: KeyFields): string {
  return `${type} ${publicBlob.toString('base64')}`;
}

interface KeyFields {
  readonly type: string;
  readonly publicBlob: Buffer;
  /** What follows the type in the private part. */
  readonly privateFields: Buffer;
}

function fieldsOf(kind: SshKeyKind, key: KeyObject): KeyFields {
  const { x = '', y = '', d = '' } = key.export({ format: 'jwk' });
  const [bytesX, bytesY, secret] = [x, y, d].map((value) => Buffer.from(value, 'base64url'));
  const point = bytesX ?? Buffer.alloc(0);
  const scalar = secret ?? Buffer.alloc(0);
  switch (kind) {
    case 'ed25519': {
      const type = 'ssh-ed25519';
      return {
        type,
        publicBlob: Buffer.concat([text(type), field(point)]),
        privateFields: Buffer.concat([field(point), field(Buffer.concat([scalar, point]))]),
      };
    }
    case 'ecdsa': {
      const type = 'ecdsa-sha2-nistp256';
      // Uncompressed (SEC 1, 2.3.3), as RFC 5656, 3.1 wants it.
      const q = field(Buffer.concat([Buffer.from([4]), point, bytesY ?? Buffer.alloc(0)]));
      const curve = text('nistp256');
      return {
        type,
        publicBlob: Buffer.concat([text(type), curve, q]),
        privateFields: Buffer.concat([curve, q, mpint(scalar)]),
      };
    }
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function field(bytes: Buffer): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function text(value: string): Buffer {
  return field(Buffer.from(value));
}

/** RFC 4251, section 5: no superfluous zeroes in front, but one where the number would look negative. */
function mpint(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const number = first < 0 ? Buffer.alloc(0) : bytes.subarray(first);
  const isNegative = ((number[0] ?? 0) & 0x80) !== 0;
  return field(isNegative ? Buffer.concat([Buffer.from([0]), number]) : number);
}
