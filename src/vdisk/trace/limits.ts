/** Limits of boot traces on the data path (docs/adr/0022). */

/** Units that one boot's trace holds: 2 GiB of 128 KiB; a Debian that boots reads some 400. */
export const MAX_TRACE_UNITS = 16_384;
/** Bytes of the largest disk of which boots are recorded: a bit for each unit is 4 MiB then. */
export const MAX_TRACED_DISK_BYTES = 4 * 2 ** 40;

/** Units in one request of read-ahead, at most: 1 MiB, what an NFS server takes in one. */
export const MAX_AHEAD_UNITS = 8;
/**
 * What a request of read-ahead is worth, in units: so many that nobody wants are not read to save one. Three take 3 ms
 * at 1 Gbit/s, and a request to a slow repository some milliseconds.
 */
export const AHEAD_REQUEST_UNITS = 3;
/** Requests of read-ahead under way, and while somebody waits for a block that is not read ahead. */
export const AHEAD_IN_FLIGHT = 4;
export const AHEAD_IN_FLIGHT_BEHIND_DEMAND = 1;
/** Requests after which it is known whether the storage is so fast that reading ahead is of no use. */
export const AHEAD_TRIAL_REQUESTS = 8;
/** … which is when one takes less than so many milliseconds, on average. */
export const AHEAD_FAST_MS = 1;
/** Requests in a row that fail before read-ahead gives up. */
export const MAX_AHEAD_FAILURES = 3;
