/**
 * Throw-away TLS material under the file names that libnbd, QEMU and nbdkit use, made by GnuTLS's
 * certtool and psktool: ca-cert.pem, server-{cert,key}.pem, client-{cert,key}.pem, keys.psk (user `boot`).
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const PSK_USER = 'boot';

export function makeTlsFiles(directory: string): void {
  const path = (name: string) => join(directory, name);
  const certtool = (...args: string[]) =>
    execFileSync('certtool', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const key = (name: string) =>
    certtool('--generate-privkey', '--key-type', 'ecdsa', '--outfile', path(`${name}-key.pem`));
  const template = (name: string, lines: readonly string[]) =>
    writeFileSync(path(`${name}.info`), `${lines.join('\n')}\n`);

  template('ca', ['cn = Rootcast test authority', 'ca', 'cert_signing_key', 'expiration_days = 2']);
  key('ca');
  const self = ['--generate-self-signed', '--load-privkey', path('ca-key.pem')];
  certtool(...self, '--template', path('ca.info'), '--outfile', path('ca-cert.pem'));

  const purposes = {
    server: ['tls_www_server', 'dns_name = localhost', 'ip_address = 127.0.0.1'],
    client: ['tls_www_client'],
  };
  for (const [name, lines] of Object.entries(purposes)) {
    const common = [`cn = ${name === 'server' ? 'localhost' : 'test machine'}`, 'signing_key'];
    template(name, [...common, 'encryption_key', 'expiration_days = 2', ...lines]);
    key(name);
    certtool(
      '--generate-certificate',
      ...['--load-ca-certificate', path('ca-cert.pem'), '--load-ca-privkey', path('ca-key.pem')],
      ...['--load-privkey', path(`${name}-key.pem`), '--template', path(`${name}.info`)],
      ...['--outfile', path(`${name}-cert.pem`)],
    );
  }
  execFileSync('psktool', ['-u', PSK_USER, '-p', path('keys.psk')], { stdio: 'ignore' });
}
