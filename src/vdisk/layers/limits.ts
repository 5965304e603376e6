/** Limits of work on layers. Memory is two windows, the chain's index and the manifests' bitmaps. */

const MiB = 1024 * 1024;

/** Bytes of a layer's map file before its bits. */
export const LAYER_MAP_HEADER_BYTES = 64;

/** Bytes that packed bits may be longer than plain ones: what zstd adds at most, generously. */
export const LAYER_MAP_SLACK_BYTES = 2 * MiB;

/** Bytes whose checksum is computed in one piece. */
export const CHECKSUM_PIECE_BYTES = 8 * MiB;

/** Chunks read ahead while as many are hashed, compared and written: 2 MiB. */
export const WINDOW_CHUNKS = 32;

/** Units of 64 KiB looked at before timers and sockets get their turn. */
export const UNITS_PER_TURN = 256 * 1024;

/** Bytes written between two flushes, so that the last one is short and a full disk is seen early. */
export const FLUSH_EVERY_BYTES = 256 * MiB;

/** Bytes that a new layer leaves free in the repository: the overlays of running machines need them. */
export const SPACE_RESERVE_BYTES = 64 * MiB;

/** Milliseconds to look for kernel and initrd inside of a disk. */
export const BOOT_FILES_TIME_MAX = 120_000;
