/** Limits of bundles. Lengths are checked before anything waits for the bytes or is allocated. */

const KiB = 1024;
const MiB = 1024 * KiB;

/** Bytes of the JSON that describes a bundle. */
export const BUNDLE_HEAD_BYTES_MAX = 2 * MiB;

/** Versions of a bundle. */
export const BUNDLE_VERSIONS_MAX = 1000;

/** Characters of a text in the description: a name, a description, kernel arguments. */
export const BUNDLE_TEXT_LENGTH_MAX = 4096;

/** Bytes of a record that says what a version changes. */
export const BUNDLE_CHANGES_BYTES_MAX = 256 * KiB;

/** Bytes of a kernel or an initrd in one record. */
export const BUNDLE_FILE_PIECE_BYTES_MAX = 256 * KiB;

/** Distinct chunks of a bundle: 2 TiB of them. Both sides need 8 to 20 bytes of memory for each. */
export const BUNDLE_CHUNKS_MAX = 2 ** 25;

/** Chunks asked for by one request: 256 MiB at most come back. */
export const BUNDLE_REQUEST_CHUNKS_MAX = 4096;

/** Chunks read, packed or written at the same time; each takes up to 192 KiB. */
export const BUNDLE_CHUNKS_AT_ONCE = 16;

/** Places of chunks that a receiver looks at together, and asks the sender for together. */
export const BUNDLE_USES_AT_ONCE = 16_384;

/** Content ids in an inventory file. */
export const INVENTORY_CONTENT_IDS_MAX = 10_000;

/** Distinct chunks that an inventory knows: the others are sent again. 8 to 20 bytes of memory for each. */
export const INVENTORY_CHUNKS_MAX = 2 ** 25;

/** Hashes of an index that are written to its file at once; 40 bytes each. */
export const HASH_INDEX_WRITE_ENTRIES = 6400;

/** Hashes that are read from it at once, and how many such pages are kept: 1 MB. */
export const HASH_INDEX_PAGE_ENTRIES = 100;
export const HASH_INDEX_PAGES_KEPT = 256;
