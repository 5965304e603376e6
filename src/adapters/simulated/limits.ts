/** Volumes of a simulated array are kept in pages of this many bytes; differences are told in whole pages. */
export const PAGE_BYTES = 64 * 1024;

/** Pages get their memory in chunks of this many; workers are told of a chunk, not of each page. */
export const CHUNK_PAGES = 64;

/** Largest volume in bytes: its page table has 4 bytes a page. */
export const VOLUME_BYTES_MAXIMUM = 64 * 1024 ** 3;

/** Sectors, in bytes: sizes are rounded up to them and requests are made of them. */
export const SECTOR_BYTES = 512;

/** Memory that a simulated array takes for what was written to it, in bytes, unless `capacity` says otherwise. */
export const DEFAULT_CAPACITY_BYTES = 1024 ** 3;

/** Longest name of a volume or snapshot, in characters. */
export const NAME_LENGTH = 64;

/** Volumes of one array. */
export const VOLUMES = 4096;

/** Snapshots of one volume. */
export const SNAPSHOTS_PER_VOLUME = 4096;

/** Linked clones of clones. */
export const CLONE_DEPTH = 16;

/** Items of a list's page, unless `pageItems` says otherwise. */
export const DEFAULT_PAGE_ITEMS = 100;

/** LUNs that one host sees. */
export const LUNS_PER_HOST = 256;

/** The longest that an injected fault may delay a call, in milliseconds. */
export const DELAY_LONGEST_MS = 60_000;

/** Pages that a copy copies before it lets others go on, reports progress and looks whether it was cancelled. */
export const COPY_PAGES_AT_ONCE = 4;
