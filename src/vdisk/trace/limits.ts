/** Limits of boot traces on the data path (docs/adr/0022). */

/** Units that one boot's trace holds: 2 GiB of 128 KiB; a Debian that boots reads some 400. */
export const MAX_TRACE_UNITS = 16_384;
/** Bytes of the largest disk of which boots are recorded: a bit for each unit is 4 MiB then. */
export const MAX_TRACED_DISK_BYTES = 4 * 2 ** 40;

/** Units of a trace that are put into the order of the disk together: the first window, and later ones. */
export const FIRST_AHEAD_WINDOW = 128;
export const LONGEST_AHEAD_WINDOW = 256;
/** Units in one request of read-ahead, at most: 1 MiB, what an NFS server takes in one. */
export const MAX_AHEAD_UNITS = 8;
/** Units that nobody wants and that are read all the same, when that joins two requests into one. */
export const MAX_AHEAD_GAP = 4;
/** Requests of read-ahead under way, and while somebody waits for a block that is not read ahead. */
export const AHEAD_IN_FLIGHT = 4;
export const AHEAD_IN_FLIGHT_BEHIND_DEMAND = 1;
/** Requests after which it is known whether the storage is so fast that reading ahead is of no use. */
export const AHEAD_TRIAL_REQUESTS = 8;
/** … which is when one takes less than so many milliseconds, on average. */
export const AHEAD_FAST_MS = 1;
/** Requests in a row that fail before read-ahead gives up. */
export const MAX_AHEAD_FAILURES = 3;
