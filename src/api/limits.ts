/** Limits of the REST API (docs/LIMITS.md). */

/** Bytes of a request's body: a few paths and 1 KiB of kernel arguments. */
export const MAX_BODY_BYTES = 64 * 1024;
/** Bytes of a body with personality data (64 KiB, escaped as JSON) or with the names of many machines. */
export const MAX_LARGE_BODY_BYTES = 512 * 1024;
/** Bytes of a body with a boot trace's file, in base64. */
export const MAX_TRACE_BODY_BYTES = 768 * 1024;
/** Characters of what a client says of its user, for the audit. */
export const MAX_USER_LENGTH = 128;
/** Characters of one path parameter: `VOLUME@SNAPSHOT` of two names of 63, an id of 36, a MAC address. */
export const MAX_PARAMETER_LENGTH = 132;
/** Bytes of a body with the content ids that a server has: 10,000 of them. */
export const MAX_INVENTORY_BODY_BYTES = 1024 * 1024;
/** Bytes of a request for chunks: their number, and 4096 hashes (docs/BUNDLE.md). */
export const MAX_CHUNK_REQUEST_BYTES = 4 + 4096 * 32;
/** Milliseconds in which a request must have arrived whole, but for images and bundles. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** Milliseconds that a client may be silent in the middle of an image or a bundle. */
export const BODY_IDLE_MS = 60_000;
/** Milliseconds that a client is given to notice that what it is still sending was refused. */
export const BODY_LINGER_MS = 5_000;
/** Milliseconds an idle connection is kept open. */
export const KEEP_ALIVE_MS = 10_000;
