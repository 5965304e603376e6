/** Limits of hooks (docs/LIMITS.md). */

/** Bytes of what a hook says that are kept: the first ones. */
export const HOOK_OUTPUT_BYTES = 8 * 1024;
/** A program that was told to end (SIGTERM) and has not after so long is killed. */
export const HOOK_GRACE_MS = 5_000;
/** After a program has ended, what it said last is waited for so long: something it started may hold the pipe. */
export const HOOK_OUTPUT_WAIT_MS = 500;
/** Times that a webhook may send us on, always to the same server. */
export const WEBHOOK_REDIRECTS = 3;
