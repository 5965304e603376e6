/** Limits of PBDs. */

/** Milliseconds that an unplug waits for the storage to be rid of what deleted snapshots stood on. */
export const LEFTOVERS_MS = 30_000;

/** Milliseconds between two looks whether it is. */
export const LEFTOVERS_POLL_MS = 20;
