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

/** Sizes of an array's volumes are rounded up to a multiple of this many bytes: sectors. */
export const SECTOR_BYTES = 512;

/** Largest file that describes a volume, in bytes; a larger one is none of ours. */
export const SIDECAR_BYTES = 64 * 1024;

/** Items of one page of a list. */
export const LIST_PAGE_ITEMS = 500;

/** A full clone is copied in pieces of this many bytes; between two it reports progress and may be given up. */
export const COPY_PIECE_BYTES = 1024 * 1024;

/** A file system with less than this part of its space free is told as nearly full. */
export const NEARLY_FULL_FRACTION = 0.05;

/** Processes whose open files are looked at at the same time, before a volume is deleted or reverted. */
export const PROCESSES_LOOKED_AT_ONCE = 16;
