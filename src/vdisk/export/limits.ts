/** Limits of an export. Memory is a few windows and, of a VHD, its block allocation table. */

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/**
 * Bytes of the disk that are read, packed and handed on at once: a whole VHD block, 32 qcow2 clusters.
 * One window is read ahead while another one is written or sent.
 */
export const EXPORT_WINDOW_BYTES = 2 * MiB;

/** Bytes that are compared before timers and sockets get their turn. */
export const EXPORT_BYTES_PER_TURN = 8 * MiB;

/** Bytes of a disk without data that are stepped over before timers and sockets get their turn. */
export const EXPORT_SCAN_BYTES = 64 * GiB;

/** Zeroes of this many bytes, aligned in the file, become holes: the block of most file systems. */
export const HOLE_BYTES = 4 * KiB;

/** Bytes written between two flushes, so that the last one is short and a full disk is seen early. */
export const EXPORT_FLUSH_BYTES = 256 * MiB;

/** Bytes left free where a file is exported to: the rest of the machine needs them. */
export const EXPORT_RESERVE_BYTES = 16 * MiB;

/** qcow2 clusters compressed at once: one less than the threads that all of the process shares. */
export const COMPRESSIONS_AT_ONCE = 3;

/** zstd level of qcow2 clusters. */
export const ZSTD_LEVEL = 3;

/** Largest disk of a VHD in bytes: 2040 GiB, as QEMU and Hyper-V read it. */
export const VHD_SIZE_MAX = 2040 * GiB;

/** UTF-16 units of the name of a VHD's parent: its field has 512 bytes and ends with a zero. */
export const VHD_PARENT_NAME_MAX = 255;

/** UTF-16 units of the path of a VHD's parent: the longest that Windows has. */
export const VHD_PARENT_PATH_MAX = 32_767;
