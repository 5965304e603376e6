/** Limits of transfers over HTTP. */

/** Milliseconds for which a client may send nothing of a body, or take nothing of an answer. */
export const TRANSFER_IDLE_MS = 15 * 60_000;

/** Milliseconds for which a client may go on sending a body that has failed: cut off at once, it would not read why. */
export const TRANSFER_LINGER_MS = 10_000;

/** Changed ranges that an export relative to a base asks the storage for at once. */
export const RANGES_AT_ONCE = 4096;

/** Milliseconds in which transfers must have ended, with what was made for them, when the server closes. */
export const TRANSFERS_END_MS = 10_000;
