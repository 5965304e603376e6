/** Write caches that are opened at the same time when the service starts. */
export const OVERLAYS_OPENED_AT_ONCE = 8;

/** Memory for the indices of chains that are kept, though nobody has them open: 7 MiB for 100 GiB. */
export const CHAIN_INDEX_BYTES = 256 * 1024 * 1024;
/** How long connections to an overlay may take to end when another machine is to write it: longer than a handshake. */
export const FENCE_MS = 20_000;
/** How often they are told to meanwhile: one that was let in just before may not have entered yet. */
export const FENCE_TELL_MS = 100;
/** After so long they are not asked to end any more, but ended: a peer that is gone takes no replies. */
export const FENCE_ASK_MS = 2_000;
/** Starts of a machine that are remembered as taken over by a later one: each had the disk for a while. */
export const PAST_RUNS = 16;

/** Damaged chunks of a layer that are kept one by one; the others are counted. */
export const DAMAGE_KEPT = 100;
