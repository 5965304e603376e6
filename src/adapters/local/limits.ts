/** `zero` of fewer bytes than this writes zeroes: cheaper than starting a program. */
export const PUNCH_MINIMUM_BYTES = 128 * 1024;

/** Programs that punch holes at the same time, in one thread. */
export const PUNCHES_AT_ONCE = 2;

/** Volumes that are looked at at the same time when all are listed. */
export const VOLUMES_SHOWN_AT_ONCE = 8;

/** How long a repository waits for other writers of its folder before it refuses, in milliseconds. */
export const OTHER_WRITERS_WAIT_MS = 10_000;

/** How often it looks, in milliseconds. */
export const OTHER_WRITERS_POLL_MS = 50;
