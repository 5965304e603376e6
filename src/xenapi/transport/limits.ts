/** Limits of XenAPI's calls over HTTP (docs/LIMITS.md). */

/** Bytes of a call's body (xapi constants.ml, `http_limit_max_rpc_size`). */
export const MAX_RPC_BODY_BYTES = 300 * 1024;
/** Milliseconds in which a call's body must have arrived whole, also one that is refused. */
export const RPC_BODY_MS = 30_000;
/** Characters up to which a reply is made whole, with its length; a longer one is sent as it is made, in chunks. */
export const WHOLE_REPLY_CHARACTERS = 1024 * 1024;
/** Milliseconds that a client may take nothing of a long answer. */
export const REPLY_STALL_MS = 60_000;
