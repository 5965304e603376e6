/** Write caches that are opened at the same time when the service starts. */
export const OVERLAYS_OPENED_AT_ONCE = 8;

/** Memory for the indices of chains that are kept, though nobody has them open: 7 MiB for 100 GiB. */
export const CHAIN_INDEX_BYTES = 256 * 1024 * 1024;
/** How long the connections of a machine may take to end when another is to write in its place. */
export const FENCE_MS = 15_000;

/** Damaged chunks of a layer that are kept one by one; the others are counted. */
export const DAMAGE_KEPT = 100;
