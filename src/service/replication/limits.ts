/** Limits of the replication thread. Each has a line in docs/LIMITS.md. */

/** Bytes of points kept in memory: what the chains below layered snapshots share. */
export const REPLICATION_CACHE_BYTES = 16 * 1024 * 1024;

/** Ranges of a difference that come to the thread at once. */
export const CHANGES_PER_PAGE = 4_096;

/** How often, at most, a job says how far it is, in milliseconds. */
export const PROGRESS_EVERY_MS = 250;

/** How often, in milliseconds, and how many times an array is asked to promote while a demotion is on its way. */
export const PROMOTE_RETRY_MS = 1_000;
export const PROMOTE_RETRIES = 180;

/** What an array says of a copy that gets nothing is believed after so many looks, each PROMOTE_RETRY_MS after the other. */
export const STUCK_LOOKS = 90;
