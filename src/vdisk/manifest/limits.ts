/** Limits of a layer's manifest. */

/** Largest disk in bytes: its presence bitmap is 32 MiB, which the data workers hold in memory. */
export const MANIFEST_DISK_BYTES_MAX = 16 * 2 ** 40;

/** Hashes written or read at once, in bytes. */
export const MANIFEST_BATCH_BYTES = 256 * 1024;

/** Chunks whose numbers and hashes are hashed together into a content id. */
export const CONTENT_ID_BATCH = 256;
