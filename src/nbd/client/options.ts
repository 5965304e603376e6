import { REAL_TIME, type Timers } from '../timers.ts';
import type { ReplyStyle } from '../wire/index.ts';
import { CONNECT_MS, REQUESTS_IN_FLIGHT, UNSENT_BYTES } from './limits.ts';

/** Credentials of a TLS client. PEM text; keys as bytes. */
export interface NbdTlsOptions {
  /** Trusted authorities; the system's where it is left out. */
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** Pre-shared key instead of certificates. */
  readonly psk?: { readonly identity: string; readonly key: Buffer };
  /** The name that the server's certificate must carry; the host where it is left out. */
  readonly serverName?: string;
  /** False accepts any certificate. */
  readonly verify?: boolean;
}

export interface NbdConnectOptions {
  /** `require` fails without TLS; `allow` goes on in plain text when the server has none. */
  readonly tls?: 'off' | 'allow' | 'require';
  readonly tlsCredentials?: NbdTlsOptions;
  /** The most that is asked for; the client settles for less. */
  readonly style?: ReplyStyle;
  /** Queries for SET_META_CONTEXT. */
  readonly contexts?: readonly string[];
  /** Requests waiting for their reply. */
  readonly requestsInFlight?: number;
  /** Bytes not yet taken by the socket beyond which new requests wait. */
  readonly unsentBytes?: number;
  readonly connectMs?: number;
  readonly timers?: Timers;
}

/** The same with nothing left out. */
export interface ResolvedOptions {
  readonly tls: 'off' | 'allow' | 'require';
  readonly tlsCredentials: NbdTlsOptions;
  readonly style: ReplyStyle;
  readonly contexts: readonly string[];
  readonly requestsInFlight: number;
  readonly unsentBytes: number;
  readonly connectMs: number;
  readonly timers: Timers;
}

export function resolveOptions(options: NbdConnectOptions): ResolvedOptions {
  return {
    tls: options.tls ?? 'off',
    tlsCredentials: options.tlsCredentials ?? {},
    style: options.style ?? 'extended',
    contexts: options.contexts ?? ['base:allocation'],
    requestsInFlight: options.requestsInFlight ?? REQUESTS_IN_FLIGHT,
    unsentBytes: options.unsentBytes ?? UNSENT_BYTES,
    connectMs: options.connectMs ?? CONNECT_MS,
    timers: options.timers ?? REAL_TIME,
  };
}
