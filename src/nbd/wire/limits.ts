/** What the codec accepts from a peer before it waits for more or allocates. All in bytes. */

/** Export names, descriptions, queries, messages: "MUST be no longer than 4096 bytes". */
export const MAX_STRING = 4096;

/** Option data that is kept and parsed. Longer data is skipped and answered NBD_REP_ERR_TOO_BIG. */
export const MAX_OPTION_DATA = 64 * 1024;

/** Option data that is skipped at all. Beyond it the peer is taken for hostile and dropped. */
export const MAX_OPTION_SKIP = 32 * 1024 * 1024;

/** Data of one option reply that a client accepts: two strings and a few fixed fields. */
export const MAX_OPTION_REPLY_DATA = 2 * MAX_STRING + 64;

/** Fixed bytes that may come on top of the maximum payload in one reply chunk. */
export const REPLY_CHUNK_OVERHEAD = 64;

/** Payload of one reply chunk that is accepted from a server. */
export const MAX_REPLY_PAYLOAD = 64 * 1024 * 1024 + REPLY_CHUNK_OVERHEAD;

/** "Servers SHOULD NOT send more than 2^20 extents in a single reply chunk". */
export const MAX_EXTENTS_PER_CHUNK = 2 ** 20;

/** Metadata contexts of one connection, and so ids in one block status payload. */
export const MAX_META_CONTEXTS = 64;
