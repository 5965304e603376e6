/** Milliseconds that a connection without a request is kept open: longer than clients pause between two. */
export const KEEP_ALIVE_MS = 75_000;

/** Milliseconds in which the head of a request must have come, and before it a TLS handshake. */
export const HEADERS_MS = 30_000;
