import { readFileSync } from 'node:fs';
import { Fault } from '../errors/index.ts';
import type { Config } from './config/index.ts';
import type { TlsFiles } from './workers/messages.ts';

/** Reads the TLS files once, on the control thread, so that a wrong path is said at start. */
export function tlsFiles(tls: Config['nbd']['tls']): TlsFiles {
  const read = (name: 'certificate' | 'key' | 'ca' | 'psk'): string | undefined => {
    const path = tls[name];
    if (path === undefined || tls.mode === 'off') return undefined;
    try {
      return readFileSync(path, 'utf8');
    } catch (cause) {
      throw new Fault(
        'INVALID_INPUT',
        `nbd.tls.${name}: cannot read ${path}: ${(cause as Error).message}`,
        { field: `nbd.tls.${name}`, value: path, expected: 'a readable file' },
        { cause },
      );
    }
  };
  return {
    mode: tls.mode,
    certificate: read('certificate'),
    key: read('key'),
    ca: read('ca'),
    clientCertificates: tls.clientCertificates,
    psk: read('psk'),
  };
}
