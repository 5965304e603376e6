/** The overlay knows in units of this many bytes which blocks are its own. */
export const BLOCK_BYTES = 4096;

/** … and in units of this many which ranges were zeroed as a whole. */
export const UNIT_BYTES = 64 * 1024;

export const BLOCKS_PER_UNIT = UNIT_BYTES / BLOCK_BYTES;

/** The map is tracked, read and made durable in pages of this many bytes. */
export const MAP_PAGE_BYTES = 4096;

/** Blocks described by one page of the map: 128 MiB of disk. */
export const BLOCKS_PER_MAP_PAGE = MAP_PAGE_BYTES * 8;

/** Largest disk of an overlay in bytes (4 TiB): block numbers and their sums fit in 32 bits. */
export const MAXIMUM_OVERLAY_BYTES = 2 ** 30 * BLOCK_BYTES;

/** Worker threads that may share one overlay. */
export const MAXIMUM_WORKERS = 66;

/** Longest name of a boot of the host, in bytes; Linux gives 36. */
export const BOOT_ID_BYTES = 64;

/** Ranges of one overlay whose space is being given back at the same time, over all workers. */
export const RECLAIMS_AT_ONCE = 8;

/** Freed ranges of one overlay that may wait in one worker; a trim waits for room beyond it. */
export const RECLAIMS_WAITING = 1024;

/** Zeroes that must be allocated are written in pieces of this many bytes. */
export const ZERO_WRITE_BYTES = 1024 * 1024;

/** Bytes that say which pages of the map were ever touched: what the boot record leaves of its page. */
export const SUMMARY_BYTES = 3584;

/** The map is loaded in pieces of this many bytes. */
export const MAP_LOAD_BYTES = 256 * 1024;

/** … and so many of those are read before timers and sockets get their turn. */
export const MAP_PIECES_PER_TURN = 16;

/** Of so many maps that were loaded at once, what they were read into is kept for the next ones that the thread loads. */
export const MAP_LOADS_KEPT = 4;

/** Ranges written between two flushes that are noted one by one; a power of two. */
export const DIRTY_RANGES = 64;
