/** A service that is not ready by then will not be. */
export const READY_TIMEOUT_MS = 300_000;

/** Machines that connect at the same time after a restart. */
export const CONNECTS_AT_ONCE = 32;

/** Maps that are read in full, as after a restart of the host, to tell how long that takes. */
export const FULL_SCANS = 100;
