/** Limits of what is imported and exported. Memory of a transfer is a few windows and one table or bitmap. */

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** Bytes of the disk that an import gathers and writes at once. */
export const IMPORT_WINDOW_BYTES = 1 * MiB;

/** Bytes of an import that are being written while more of it is received. */
export const IMPORT_IN_FLIGHT_BYTES = 8 * MiB;

/** Bytes written between two flushes of an import, so that the last one is short. */
export const IMPORT_FLUSH_BYTES = 256 * MiB;

/** Zeroes of so many bytes, aligned on the disk, become holes. At least the largest `minimumIo`. */
export const ZERO_UNIT_BYTES = 64 * KiB;

/** Bytes of zeroes that follow each other and are cleared by one call. */
export const CLEAR_BYTES_MAX = 1 * GiB;

/** Extents asked for at once. */
export const EXTENTS_AT_ONCE = 256;

/** Bytes read, compared or passed over before timers and sockets get their turn. */
export const BYTES_PER_TURN = 16 * MiB;

/** Bytes of the disk that an export reads at once: a VHD block, 32 qcow2 clusters. One is read ahead. */
export const EXPORT_WINDOW_BYTES = 2 * MiB;

/** Windows that are looked at side by side while it is found out what an image holds. */
export const SURVEY_WINDOWS_AT_ONCE = 4;

/**
 * Milliseconds that an export may look for blocks of zeroes, or that are equal, before its first byte leaves: Xen
 * Orchestra gives up after 5 minutes of silence. What was not looked at by then is sent.
 */
export const SURVEY_MS_MAX = 120_000;

/** Bytes of a block in a tar that we write. */
export const TAR_BLOCK_BYTES = 1 * MiB;

/** Bytes of a block in a tar that we read: it is held in memory while it is hashed. */
export const TAR_BLOCK_BYTES_MAX = 16 * MiB;

/** Milliseconds without a block after which a tar gets an empty one: firewalls close silent connections. */
export const TAR_SILENCE_MS = 5_000;

/** Bytes between the last block of a VHD and the footer it ends with. */
export const VHD_TAIL_BYTES_MAX = 16 * MiB;

/** Bytes of a qcow2 image that are kept in a temporary file, because its tables do not come before its data. */
export const QCOW2_SPOOL_BYTES_MAX = 64 * GiB;

/** Bytes left free in the folder of temporary files. */
export const QCOW2_SPOOL_RESERVE_BYTES = 64 * MiB;

/** Stretches of a qcow2 image that is read as it comes, each of clusters that follow each other; 24 bytes each. */
export const QCOW2_RUNS_MAX = 1_000_000;
