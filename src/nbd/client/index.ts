/** The NBD client. Read first: connect.ts, then client.ts. */
export { type NbdAddress, type NbdUri, parseNbdUri } from './address.ts';
export { NbdClient } from './client.ts';
export { connectNbd, listNbd, type NbdListing, type NbdTarget } from './connect.ts';
export { nbdDevice } from './device.ts';
export type { Negotiated } from './handshake.ts';
export type { NbdConnectOptions, NbdTlsOptions } from './options.ts';
export type { BlockStatus } from './pending.ts';
export { NbdViolation, type ServerViolation } from './violation.ts';
