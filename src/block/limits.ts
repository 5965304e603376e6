/** Limits of the general-purpose devices. Each has a line in docs/LIMITS.md. */

/** Largest payload of one read or write in bytes; the NBD document lets a client count on 32 MiB. */
export const MAXIMUM_IO_BYTES = 32 * 1024 * 1024;

/** Largest device in bytes: offsets stay exact in a double, with room for sums. */
export const MAXIMUM_DEVICE_BYTES = 2 ** 52;

/** Memory devices allocate in pages of this many bytes. */
export const MEMORY_PAGE_BYTES = 64 * 1024;

/**
 * Unit of the read cache in bytes. Measured, CPU per random 4 KiB read of 256 MiB through a cache of 16:
 * 7, 9, 20 and 64 µs with units of 64, 128, 256 and 512 KiB; fills in sequence: 44, 34 and 52 µs for
 * each 128 KiB with units of 128, 256 and 512.
 */
export const CACHE_BLOCK_BYTES = 128 * 1024;

/** Bytes of cache blocks lent to sockets at the same time, evicted or not; beyond, readers get copies. */
export const CACHE_LENT_BYTES = 128 * 1024 * 1024;

/** Free cache buffers kept for the next miss, in bytes. */
export const CACHE_SPARE_BYTES = 4 * 1024 * 1024;

/** Shared run of zeroes in bytes, lent for everything that reads as zeroes. */
export const ZEROES_BYTES = 1024 * 1024;

/** Most bytes that one `extents` call looks at piece by piece before it stops early. */
export const EXTENT_SCAN_BYTES = 8 * 1024 * 1024 * 1024;

/** A synchronous call that takes longer than this many milliseconds is slow; two make its file asynchronous. */
export const SLOW_CALL_MS = 1;

/** Milliseconds of synchronous calls within which a second slow one counts. */
export const SUSPICION_MS = 100;

/** How long a file stays asynchronous, in milliseconds; doubles while it stays slow. */
export const ASYNC_PERIOD_MS = 100;
export const ASYNC_PERIOD_LONGEST_MS = 10_000;

/** Requests longer than this many bytes are always asynchronous: even from memory they take long. */
export const SYNC_IO_BYTES = 256 * 1024;

/** Milliseconds that a reader waits for a block which another worker reads, before it reads for itself. */
export const SHARED_WAIT_MS = 15_000;
