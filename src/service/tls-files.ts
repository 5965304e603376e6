import { readFileSync } from 'node:fs';
import { Fault } from '../errors/index.ts';
import type { Config } from './config/index.ts';
import type { TlsFiles } from './workers/messages.ts';

/** Reads the TLS files once, on the control thread, so that a wrong path is said at start. */
export function tlsFiles(tls: Config['nbd']['tls']): TlsFiles {
  const read = (name: 'certificate' | 'key' | 'ca' | 'psk'): string | undefined => {
    const path = tls[name];
    return path === undefined || tls.mode === 'off' ? undefined : readPem(`nbd.tls.${name}`, path);
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

export interface XenapiTls {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
}

/** @returns undefined: plain HTTP. @throws Fault INVALID_INPUT: a file cannot be read */
export function xenapiTls(tls: Config['xenapi']['tls']): XenapiTls | undefined {
  const { certificate, key } = tls ?? {};
  if (certificate === undefined || key === undefined) return undefined;
  return {
    certificate: readPem('xenapi.tls.certificate', certificate),
    key: readPem('xenapi.tls.key', key),
  };
}

function readPem(field: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new Fault(
      'INVALID_INPUT',
      `${field}: cannot read ${path}: ${(cause as Error).message}`,
      { field, value: path, expected: 'a readable file' },
      { cause },
    );
  }
}
