/** Limits of an import. Memory is two windows, the manifest's bitmap and the reader's tables. */

const MiB = 1024 * 1024;

/** A disk is a whole number of these, in bytes; an image that is not is filled up with zeroes. */
export const DISK_SIZE_UNIT = 512;

/** Bytes read ahead while as many are hashed and written. A multiple of the chunk size. */
export const WINDOW_BYTES = 2 * MiB;

/** Steps over zeroes before timers and sockets get their turn. */
export const STEPS_PER_TURN = 64;
