/** SRs that were introduced, and have never been plugged. */
export const MAX_INTRODUCED = 1_000;

/** Destroyed SRs whose storage is known to count as empty; beyond it others are forgotten. */
export const MAX_DESTROYED_KNOWN = 1_000;
