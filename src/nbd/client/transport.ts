/** Sockets of the client: TCP, Unix, and the upgrade to TLS. */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { Fault } from '../../errors/index.ts';
import { notePlain } from '../adopted-socket.ts';
import type { NbdAddress } from './address.ts';
import { CLIENT_READ_BUFFER } from './limits.ts';
import type { NbdTlsOptions } from './options.ts';

/** Keep-alive probes start after this many idle milliseconds: a dead server must not be waited for forever. */
const KEEP_ALIVE_MS = 30_000;

/** Suites of TLS 1.2 with a pre-shared key; those of TLS 1.3 need no mention. */
const PSK_CIPHERS =
  'DHE-PSK-AES256-GCM-SHA384:DHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-CHACHA20-POLY1305:PSK-AES256-GCM-SHA384:PSK-AES128-GCM-SHA256:DHE-PSK-AES128-GCM-SHA256';

export function addressText(address: NbdAddress): string {
  return address.transport === 'unix' ? address.path : `${address.host}:${address.port}`;
}

/**
 * One buffer for all plain sockets of a thread: each read is consumed before the next. Without it a
 * socket reads into fresh memory each time, and collecting that costs as much as moving the bytes.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(CLIENT_READ_BUFFER);

/**
 * @param plain the socket will not be upgraded to TLS; what its 'data' events bring is then valid
 *   during the event only
 * @throws Fault UNAVAILABLE
 */
export function openSocket(
  address: NbdAddress,
  plain: boolean,
): { socket: Socket; connected: Promise<void> } {
  const read = plain
    ? {
        onread: {
          buffer: READ_BUFFER,
          callback: (length: number) => {
            socket.emit('data', READ_BUFFER.subarray(0, length));
            return true;
          },
        },
      }
    : {};
  const socket: Socket =
    address.transport === 'unix'
      ? connectTcp({ path: address.path, ...read })
      : connectTcp({
          host: address.host,
          port: address.port,
          noDelay: true, // "SHOULD disable Nagle's algorithm"
          keepAlive: true,
          keepAliveInitialDelay: KEEP_ALIVE_MS,
          ...read,
        });
  if (plain) notePlain(socket);
  const connected = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('close', () => reject(unreachable(address, 'closed')));
    socket.once('error', (error) => reject(unreachable(address, error.message, error)));
  });
  return { socket, connected };
}

function unreachable(address: NbdAddress, detail: string, cause?: Error): Fault {
  const message = `no NBD server at ${addressText(address)}: ${detail}`;
  return new Fault('UNAVAILABLE', message, {}, cause === undefined ? {} : { cause });
}

/** The handshake that follows the server's acknowledgement of STARTTLS. @throws Fault PERMISSION_DENIED */
export async function upgrade(
  plain: Socket,
  address: NbdAddress,
  credentials: NbdTlsOptions,
): Promise<TLSSocket> {
  const secure = connectTls({ ...tlsOptions(address, credentials), socket: plain });
  await new Promise<void>((resolve, reject) => {
    const fail = (detail: string, cause?: Error) => {
      const message = `TLS with ${addressText(address)} failed: ${detail}`;
      reject(new Fault('PERMISSION_DENIED', message, {}, cause === undefined ? {} : { cause }));
    };
    secure.once('secureConnect', resolve);
    secure.once('error', (error) => fail(error.message, error));
    secure.once('close', () => fail('the server closed the connection'));
  });
  return secure;
}

function tlsOptions(address: NbdAddress, credentials: NbdTlsOptions): ConnectionOptions {
  const host = address.transport === 'tcp' ? address.host : 'localhost';
  const name = credentials.serverName ?? host;
  const { psk } = credentials;
  return {
    minVersion: 'TLSv1.2', // "MUST support TLS version 1.2 … older versions SHOULD NOT"
    ...(credentials.ca === undefined ? {} : { ca: credentials.ca }),
    ...(credentials.cert === undefined ? {} : { cert: credentials.cert }),
    ...(credentials.key === undefined ? {} : { key: credentials.key }),
    // An IP address is no name for SNI, but it is what the certificate is checked against.
    ...(isIP(name) === 0 ? { servername: name } : { host: name }),
    rejectUnauthorized: credentials.verify ?? true,
    ...(psk === undefined
      ? {}
      : {
          pskCallback: () => ({ psk: psk.key, identity: psk.identity }),
          ciphers: PSK_CIPHERS,
          // The key itself proves who the server is; there is no certificate to look at.
          checkServerIdentity: () => undefined,
        }),
  };
}
