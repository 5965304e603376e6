/** Limits of an import. Memory is two windows, the manifest's bitmap and the reader's tables. */

const MiB = 1024 * 1024;

/** A disk is a whole number of these, in bytes; an image that is not is filled up with zeroes. */
export const DISK_SIZE_UNIT = 512;

/** Bytes read ahead while as many are hashed and written. A multiple of the chunk size. */
export const WINDOW_BYTES = 2 * MiB;

/** Bytes written between two flushes, so that the last one is short and a full disk is seen early. */
export const FLUSH_EVERY_BYTES = 256 * MiB;

/** Bytes that an import leaves free in the repository: the overlays of running machines need them. */
export const SPACE_RESERVE_BYTES = 64 * MiB;

/** Steps over zeroes before timers and sockets get their turn. */
export const STEPS_PER_TURN = 64;

/** Milliseconds to look for kernel and initrd inside the image. */
export const BOOT_FILES_TIME_MAX = 120_000;
