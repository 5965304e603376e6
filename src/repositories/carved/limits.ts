/** Limits of carved devices. Each has a line in docs/LIMITS.md. */

/** Unit of metadata on the device in bytes: a superblock, a journal block, the head of a checkpoint. */
export const METADATA_BLOCK_BYTES = 4096;

/** Smallest and largest extent in bytes; a power of two between them. */
export const EXTENT_BYTES_SMALLEST = 64 * 1024;
export const EXTENT_BYTES_LARGEST = 64 * 1024 * 1024;

/**
 * Extent of a small device in bytes. A first write zeroes (ahead of time) and maps one extent: a megabyte keeps thin
 * volumes thin and is 256 blocks of 4 KiB for each record of the journal. Doubled until the device has room to grow
 * to twice its size within CARVED_EXTENTS.
 */
export const EXTENT_BYTES_DEFAULT = 1024 * 1024;

/** Most extents of a device: 64 TiB in extents of 4 MiB; their numbers take 64 MiB of memory. */
export const CARVED_EXTENTS = 2 ** 24;

/** Fewest extents that are worth carving. */
export const CARVED_EXTENTS_FEWEST = 4;

/** Most volumes of a device. */
export const CARVED_VOLUMES = 16_384;

/** Longest name and tag of a volume, in bytes of UTF-8. */
export const CARVED_NAME_BYTES = 200;

/** Longest name of the server that owns a device, in bytes of UTF-8. */
export const OWNER_BYTES = 255;

/** Volumes may promise so many times what the device has; bounds the memory of their maps as well. */
export const OVERCOMMIT = 20;

/** Largest factor that may be configured instead. */
export const OVERCOMMIT_LARGEST = 100;

/** Blocks of one journal: a sixteenth of the extents, but no fewer and no more than these. */
export const JOURNAL_BLOCKS_FEWEST = 64;
export const JOURNAL_BLOCKS_MOST = 4096;

/** Room for volumes in a checkpoint in bytes: 64 for each extent, but no less and no more than these. */
export const VOLUME_TABLE_BYTES_LEAST = 128 * 1024;
export const VOLUME_TABLE_BYTES_MOST = 16 * 1024 * 1024;

/** Metadata is read and written in pieces of this many bytes. */
export const METADATA_PIECE_BYTES = 1024 * 1024;

/** Extents that are kept zeroed and ready for first writes: so many, or fewer that are this many bytes together. */
export const READY_EXTENTS = 32;
export const READY_BYTES = 64 * 1024 * 1024;

/** Most extents that are zeroed between two flushes, and most that one question may ask for. */
export const EXTENTS_AT_ONCE = 256;

/** Extents that leave the volumes they were taken from behind one flush. */
export const RETIRED_AT_ONCE = 65_536;

/** Extents of a thick volume that are zeroed at the same time. */
export const ZEROES_AT_ONCE = 8;

/** Operations on the metadata that share one commit. */
export const OPERATIONS_AT_ONCE = 64;

/** How often the owner looks whether it still is, in milliseconds. */
export const OWNER_CHECK_MS = 2000;

/** How often the device is asked how large it is, in milliseconds. A LUN whose target says so by itself needs no asking. */
export const SIZE_CHECK_MS = 30_000;

/** How long a request to new space waits until its thread's own way to the device has seen that, in milliseconds. */
export const GROWTH_WAIT_MS = 120_000;

/** How often it looks meanwhile, in milliseconds. */
export const GROWTH_POLL_MS = 250;

/** A writer that has not heard for this many milliseconds that the device is still ours asks before it writes. */
export const OWNER_LEASE_MS = 5000;

/**
 * How long whoever takes a device over waits before it changes anything, in milliseconds: more than three leases, after
 * which the last writer of the old owner has noticed (see owner-lease.ts).
 */
export const TAKE_OVER_WAIT_MS = 4 * OWNER_LEASE_MS;

/** Bytes at the start and at the end of a device that must be zeroes, or it is not empty. */
export const EMPTY_PROBE_BYTES = 1024 * 1024;

/** Longest wait for requests to leave extents before somebody looks again, in milliseconds. */
export const IN_FLIGHT_POLL_MS = 200;

/** Findings that a check lists one by one; the rest is counted. */
export const FSCK_FINDINGS = 1000;

/** Volumes in one page of a list. */
export const CARVED_LIST_PAGE = 500;
