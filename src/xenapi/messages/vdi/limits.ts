/** Milliseconds that VDI.data_destroy waits for the VBDs of a snapshot to be gone, as xapi does. */
export const VBDS_GONE_WAIT_MS = 4_000;

/** Milliseconds between two looks whether they are. */
export const VBDS_GONE_POLL_MS = 50;
