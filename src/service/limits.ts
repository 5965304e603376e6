/** Write caches that are opened at the same time when the service starts. */
export const OVERLAYS_OPENED_AT_ONCE = 16;
/** Write caches that are worth threads of their own to open them: a thread takes as long to start as 20 caches take to open. */
export const OVERLAYS_WORTH_THREADS = 64;
/** Threads that open write caches, at most; as many as there are processors. */
export const RECOVERY_THREADS_MAX = 8;

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

/** How often it is told that what happens by itself still fails with the same. */
export const OBSERVER_TOLD_EVERY_MS = 60_000;
/** Boots that are recorded at the same time: a trace is of the last few boots of each content. */
export const MAX_BOOTS_RECORDED = 16;
/** Of the memory that workers share, what one trace may fill, at most. */
export const AHEAD_SHARE = 0.75;
/** Contents that are read ahead at the same time; the others wait. */
export const AHEAD_AT_ONCE = 4;
/** Storage that answers at once is not read ahead for so long, in milliseconds; it may be slower then. */
export const FAST_CONTENT_MS = 600_000;
/** What could not be read ahead is tried again after so many milliseconds. */
export const AHEAD_RETRY_MS = 5_000;
