/** Limits of the iSCSI adapter (docs/LIMITS.md). */

/** LUNs of a target that a probe reads the beginning and the end of, to say what lies on them. */
export const LUNS_LOOKED_INTO = 32;

/** Milliseconds that a probe waits for one of them. */
export const LOOK_PATIENCE_MS = 10_000;
