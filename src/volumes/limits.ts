/** Limits of volumes that layers emulate. */

const MiB = 1024 * 1024;

/** Bytes copied in one piece when a volume is cloned, split or merged. */
export const COPY_BYTES = MiB;

/** Bytes copied between two flushes, so that the last one is short. */
export const COPY_FLUSH_BYTES = 256 * MiB;

/** Memory for indices of chains that are kept, though nobody has them open. */
export const INDEX_CACHE_BYTES = 128 * MiB;

/** Bytes of a disk of which it is worked out at once what differs between two snapshots: 32 MiB of memory. */
export const DIFF_WINDOW_BYTES = 1024 * 1024 * MiB;

/** Memory for what was worked out, for whoever asks for the next page of it. */
export const DIFF_CACHE_BYTES = 64 * MiB;

/** Merges of nodes that are remembered, for the indices of volumes that are open. */
export const MERGES_KEPT = 64;

/** Sealed overlays that an open volume may have above its chain's index before that is made anew. */
export const SEALED_ABOVE_INDEX = 4;

/** Units of 64 KiB looked at before timers and sockets get their turn. */
export const UNITS_PER_TURN = 64 * 1024;
