/** Every limit of the image readers. An image that needs more is refused, never half read. */

const KiB = 1024;
const MiB = 1024 * KiB;
const TiB = 1024 * 1024 * MiB;

/** Largest virtual disk in bytes: the presence bitmap of its manifest stays under 32 MiB. */
export const IMAGE_SIZE_MAX = 16 * TiB;

/** Images in one backing chain, the top included. Each keeps a file open and a table cache. */
export const CHAIN_DEPTH_MAX = 64;

/** qcow2 specification, "Header": cluster_bits must not be less than 9; QEMU reads up to 21. */
export const QCOW2_CLUSTER_BITS_MIN = 9;
export const QCOW2_CLUSTER_BITS_MAX = 21;

/** Bytes of a qcow2 header, its compression type included; a longer one has fields we do not know. */
export const QCOW2_HEADER_BYTES_MAX = 4 * KiB;

/** Bytes of one level-1 table (QCOW_MAX_L1_SIZE of QEMU). It is held in memory. */
export const QCOW2_L1_BYTES_MAX = 32 * MiB;

/** Bytes of level-2 tables cached per image. */
export const QCOW2_L2_CACHE_BYTES = 4 * MiB;

/** qcow2 specification, "Header": length of the backing file name. */
export const BACKING_NAME_BYTES_MAX = 1023;

/** Bytes of one VHD block allocation table: the largest disk (2040 GiB) in blocks of 512 KiB. */
export const VHD_TABLE_BYTES_MAX = 16 * MiB;

/** Bytes of one VHD block. Tools write 512 KiB and 2 MiB. */
export const VHD_BLOCK_BYTES_MIN = 4 * KiB;
export const VHD_BLOCK_BYTES_MAX = 256 * MiB;

/** Bytes of VHD sector bitmaps cached per image. */
export const VHD_BITMAP_CACHE_BYTES = 1 * MiB;

/** Bytes of one VHD parent locator: a path of 32 767 UTF-16 units, the longest that Windows has. */
export const VHD_LOCATOR_BYTES_MAX = 64 * KiB;

/** Neighbouring pieces merged into one run before the caller gets its turn back. */
export const RUN_PIECES_MAX = 4096;

/** Bytes that qemu-img copies at once into a temporary file when it reads a format for us. */
export const QEMU_WINDOW_BYTES = 256 * MiB;

/** Bytes of the answer of `qemu-img map`; a map that is longer is not used. */
export const QEMU_MAP_BYTES_MAX = 256 * MiB;

/** Bytes of one message of qemu-img that we keep for the error. */
export const QEMU_MESSAGE_BYTES_MAX = 2 * KiB;
