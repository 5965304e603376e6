/** Limits of the search for kernel and initrd inside an image. */

const KiB = 1024;
const MiB = 1024 * KiB;

/** Partitions looked at. A GPT has room for 128 as a rule. */
export const PARTITIONS_MAX = 128;

/** Bytes of a GPT's partition entries. */
export const GPT_ENTRIES_BYTES_MAX = 1 * MiB;

/** ext file systems looked into, each in a thread of its own. */
export const FILE_SYSTEMS_MAX = 16;

/** Bytes of a kernel that is taken out of an image or given by hand. */
export const KERNEL_BYTES_MAX = 256 * MiB;
/** Bytes of an initrd, likewise. */
export const INITRD_BYTES_MAX = 1024 * MiB;

/** Entries of one folder that are looked at. */
export const FOLDER_ENTRIES_MAX = 100_000;

/** Bytes asked of the disk at once by the file system, and how many of those are kept. */
export const DISK_BLOCK_BYTES = 128 * KiB;
export const DISK_BLOCKS_KEPT = 64;

/** Bytes copied out of a file at once. */
export const COPY_BYTES = 512 * KiB;

/** MiB of JavaScript heap of the thread that reads a file system. */
export const READER_HEAP_MIB = 128;
