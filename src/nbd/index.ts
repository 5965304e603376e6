/**
 * NBD, usable on its own: a server over any BlockDevice, and a client that is a BlockDevice, on one
 * pure wire codec (wire/). Read first: connection.ts, then transmission-phase.ts.
 *
 *   const server = createNbdServer({ exports: singleExport('disk', device) });
 *   await server.listen({ port: 10809 });
 *
 * A connection is server.ts → connection.ts → handshake-session.ts (state machine: handshake.ts) →
 * transmission-phase.ts (bytes: request-stream.ts, rules: rules.ts, work: transmission.ts and reads.ts).
 */
export {
  type BlockStatus,
  connectNbd,
  listNbd,
  type NbdAddress,
  NbdClient,
  type NbdConnectOptions,
  type NbdListing,
  type NbdTarget,
  type NbdTlsOptions,
  type NbdUri,
  NbdViolation,
  type Negotiated,
  nbdDevice,
  parseNbdUri,
  type ServerViolation,
} from './client/index.ts';
export type { ConnectionInfo } from './connection.ts';
export type { Counters } from './counters.ts';
export { DEFAULT_LIMITS, type NbdLimits } from './limits.ts';
export type { Logger } from './logger.ts';
export {
  createNbdServer,
  type ListenAddress,
  type ListenTarget,
  type NbdServer,
  type NbdServerOptions,
} from './server.ts';
export { singleExport } from './single-export.ts';
export type { Timers } from './timers.ts';
export type { TlsSettings, X509Settings } from './tls.ts';
