/** What the NBD client allows. Each limit has a line in docs/LIMITS.md. Bytes and milliseconds. */

/** From the start of the connection to the start of transmission, TLS included. */
export const CONNECT_MS = 15_000;

/** Requests that wait for their reply. One more waits for a place. */
export const REQUESTS_IN_FLIGHT = 256;

/** Bytes that the socket has not taken yet. Beyond, new requests wait. */
export const UNSENT_BYTES = 8 * 1024 * 1024;

/** Largest read or write of a server that advertises no maximum ("SHOULD NOT be considered a denial of service attack"). */
export const PORTABLE_PAYLOAD = 32 * 1024 * 1024;

/** Exports in one answer to LIST. */
export const LISTED_EXPORTS = 100_000;

/** Replies to one other option. */
export const OPTION_REPLIES = 1024;

/** An error chunk: a string of 4096 bytes, its fixed fields, and room for fields to come. */
export const ERROR_CHUNK_BYTES = 8192;

/** How long a server gets to close after DISC before the socket is destroyed. */
export const DISCONNECT_MS = 5_000;

/** Payloads up to this size are copied behind their header; longer ones are sent from where they are. */
export const COPIED_WRITE = 16 * 1024;

/** What one read of a plain socket may bring. One buffer of this size serves all clients of a thread. */
export const CLIENT_READ_BUFFER = 256 * 1024;
