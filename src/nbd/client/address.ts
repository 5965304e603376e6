/**
 * Where a server is, and NBD URIs (doc/uri.md of the protocol document's repository):
 *
 *   nbd://[user@]host[:port]/[export]              nbds:// the same over TLS
 *   nbd+unix:///[export]?socket=PATH               nbds+unix:// the same over TLS
 *
 * The export name is the path without ONE leading slash, percent-decoded; it may be empty, and may
 * itself start with a slash.
 */
import { Fault } from '../../errors/index.ts';

const DEFAULT_PORT = 10_809;

export type NbdAddress =
  | { readonly transport: 'tcp'; readonly host: string; readonly port: number }
  | { readonly transport: 'unix'; readonly path: string };

export interface NbdUri {
  readonly address: NbdAddress;
  readonly exportName: string;
  /** The scheme asks for TLS. */
  readonly tls: boolean;
  /** PSK identity, when the URI names a user. */
  readonly user: string | undefined;
  /** `tls-certificates`: a directory with ca-cert.pem, client-cert.pem and client-key.pem. */
  readonly tlsCertificates: string | undefined;
  /** `tls-psk-file`: lines of `identity:hexkey`. */
  readonly tlsPskFile: string | undefined;
  /** `tls-hostname`: the name to verify instead of the host. */
  readonly tlsHostname: string | undefined;
  /** `tls-verify-peer`; true unless it says no. */
  readonly tlsVerifyPeer: boolean;
}

const SCHEME = /^(nbds?)(\+unix|\+vsock|\+ssh)?:\/\//i;

/** @throws Fault INVALID_INPUT */
export function parseNbdUri(text: string): NbdUri {
  const scheme = SCHEME.exec(text);
  if (scheme === null) throw invalid(text, 'nbd://, nbds://, nbd+unix:// or nbds+unix://');
  const transport = (scheme[2] ?? '').toLowerCase();
  if (transport !== '' && transport !== '+unix') throw invalid(text, 'TCP or a Unix socket');
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw invalid(text, 'a URI');
  }
  if (url.hash !== '') throw invalid(text, 'no fragment');
  const query = url.searchParams;
  return {
    address: transport === '+unix' ? unixAddress(text, url) : tcpAddress(text, url),
    exportName: decode(text, url.pathname.replace(/^\//, '')),
    tls: scheme[1]?.toLowerCase() === 'nbds',
    user: url.username === '' ? undefined : decode(text, url.username),
    tlsCertificates: query.get('tls-certificates') ?? undefined,
    tlsPskFile: query.get('tls-psk-file') ?? undefined,
    tlsHostname: query.get('tls-hostname') ?? undefined,
    tlsVerifyPeer: !/^(0|false|no|off)$/i.test(query.get('tls-verify-peer') ?? ''),
  };
}

function unixAddress(text: string, url: URL): NbdAddress {
  const path = url.searchParams.get('socket');
  if (path === null || path === '') throw invalid(text, '?socket=PATH');
  // "for Unix domain sockets the authority MUST be empty"
  if (url.hostname !== '' || url.port !== '') throw invalid(text, 'no host with a Unix socket');
  return { transport: 'unix', path };
}

function tcpAddress(text: string, url: URL): NbdAddress {
  if (url.searchParams.has('socket')) throw invalid(text, 'no socket with TCP');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1'); // IPv6 stands in brackets
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port);
  return { transport: 'tcp', host: host === '' ? 'localhost' : decode(text, host), port };
}

function decode(uri: string, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid(uri, 'percent-encoded UTF-8');
  }
}

function invalid(value: string, expected: string): Fault {
  return new Fault('INVALID_INPUT', `${value} is not an NBD URI: expected ${expected}`, {
    field: 'uri',
    value,
    expected,
  });
}
