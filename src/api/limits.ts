/** Limits of the REST API (docs/LIMITS.md). */

/** Bytes of a request's body; the largest input is a few paths and 1 KiB of kernel arguments. */
export const MAX_BODY_BYTES = 64 * 1024;
/** Characters of one path parameter: a name of 63, an id of 36, a MAC address. */
export const MAX_PARAMETER_LENGTH = 128;
/** Milliseconds in which a request must have arrived whole. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** Milliseconds an idle connection is kept open. */
export const KEEP_ALIVE_MS = 10_000;
