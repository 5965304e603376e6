import { Fault } from '../../errors/index.ts';
import type { TlsSettings } from '../../nbd/index.ts';
import type { TlsFiles } from './messages.ts';

/** The NBD server's TLS settings out of the files; undefined when TLS is off. */
export function tlsSettings(files: TlsFiles): TlsSettings | undefined {
  if (files.mode === 'off') return undefined;
  const { certificate, key, ca } = files;
  const keys = files.psk === undefined ? undefined : preSharedKeys(files.psk);
  return {
    mode: files.mode,
    ...(certificate === undefined || key === undefined
      ? {}
      : {
          x509: {
            cert: certificate,
            key,
            ...(ca === undefined ? {} : { ca }),
            clientCertificates: files.clientCertificates
              ? ('required' as const)
              : ca === undefined
                ? ('none' as const)
                : ('optional' as const),
          },
        }),
    ...(keys === undefined ? {} : { psk: (identity: string) => keys.get(identity) }),
  };
}

/** Lines of `identity:hex`, as GnuTLS's psktool writes them. @throws Fault INVALID_INPUT */
function preSharedKeys(text: string): Map<string, Buffer> {
  const keys = new Map<string, Buffer>();
  for (const [index, line] of text.split('\n').entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const match = /^([^:]+):((?:[0-9a-fA-F]{2})+)$/.exec(trimmed);
    const [, identity, hex] = match ?? [];
    if (identity === undefined || hex === undefined) {
      throw new Fault('INVALID_INPUT', `nbd.tls.psk: line ${index + 1} is not identity:hex`, {
        field: 'nbd.tls.psk',
        expected: 'lines of identity:hex',
      });
    }
    keys.set(identity, Buffer.from(hex, 'hex'));
  }
  return keys;
}
