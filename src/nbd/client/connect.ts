/** From a URI, or from an address and options, to a client in transmission. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../../errors/index.ts';
import { type NbdAddress, type NbdUri, parseNbdUri } from './address.ts';
import { NbdClient } from './client.ts';
import { Handshake } from './handshake.ts';
import { type NbdConnectOptions, type NbdTlsOptions, resolveOptions } from './options.ts';

/** Where to connect without a URI. */
export interface NbdTarget {
  readonly address: NbdAddress;
  /** '' for the server's default export. */
  readonly exportName: string;
}

export interface NbdListing {
  readonly name: string;
  readonly description: string;
}

/**
 * Connects to an export.
 *
 * @param target `nbd://host:port/export`, `nbds://…`, `nbd+unix:///export?socket=PATH`,
 *   `nbds+unix://…`, or an address. An `nbds` scheme requires TLS, whatever the options say.
 * @throws Fault INVALID_INPUT (the URI), UNAVAILABLE (no server, no answer in time), EXPORT_NOT_FOUND,
 *   PERMISSION_DENIED (TLS required or failed, or the server's policy); NbdViolation
 */
export function connectNbd(
  target: string | NbdTarget,
  options: NbdConnectOptions = {},
): Promise<NbdClient> {
  const { address, exportName, resolved } = resolve(target, options);
  return Handshake.run(address, resolved, async (handshake) => {
    const negotiated = await handshake.go(exportName);
    const { socket, rest } = handshake.release();
    return new NbdClient(socket, rest, negotiated, resolved);
  });
}

/** The exports that a server is willing to name. Throws as `connectNbd`. */
export function listNbd(
  target: string | NbdTarget,
  options: NbdConnectOptions = {},
): Promise<NbdListing[]> {
  const { address, resolved } = resolve(target, options);
  return Handshake.run(address, resolved, async (handshake) => {
    const listing = await handshake.list();
    handshake.abort();
    return listing;
  });
}

function resolve(target: string | NbdTarget, options: NbdConnectOptions) {
  if (typeof target !== 'string') return { ...target, resolved: resolveOptions(options) };
  const uri = parseNbdUri(target);
  const withTls: NbdConnectOptions = uri.tls
    ? {
        ...options,
        tls: 'require',
        tlsCredentials: { ...credentialsOf(uri), ...options.tlsCredentials },
      }
    : options;
  return { address: uri.address, exportName: uri.exportName, resolved: resolveOptions(withTls) };
}

function credentialsOf(uri: NbdUri): NbdTlsOptions {
  const directory = uri.tlsCertificates;
  const pskFile = uri.tlsPskFile;
  return {
    verify: uri.tlsVerifyPeer,
    ...(uri.tlsHostname === undefined ? {} : { serverName: uri.tlsHostname }),
    ...(directory === undefined ? {} : certificates(directory)),
    ...(pskFile === undefined ? {} : { psk: pskOf(pskFile, uri.user) }),
  };
}

/** File names as libnbd, qemu and virt tools use them. */
function certificates(directory: string): NbdTlsOptions {
  const cert = readOptional(join(directory, 'client-cert.pem'));
  const key = readOptional(join(directory, 'client-key.pem'));
  return {
    ca: read(join(directory, 'ca-cert.pem')),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

/** The line of `user` in a file of `identity:hexkey` lines; the first one without a user. */
function pskOf(path: string, user: string | undefined): { identity: string; key: Buffer } {
  for (const line of read(path).toString('utf8').split('\n')) {
    const [, identity, hex] = /^([^#:]+):([0-9a-fA-F]+)\s*$/.exec(line) ?? [];
    if (identity === undefined || hex === undefined) continue;
    if (user === undefined || identity === user) return { identity, key: Buffer.from(hex, 'hex') };
  }
  throw new Fault('INVALID_INPUT', `no key for ${user ?? 'anybody'} in ${path}`, {
    field: 'tls-psk-file',
    value: path,
  });
}

function readOptional(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined; // a client without a certificate is fine unless the server asks for one
  }
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new Fault(
      'INVALID_INPUT',
      `cannot read ${path}`,
      { field: 'uri', value: path },
      { cause },
    );
  }
}
