/** Limits of the preparation of images. What runs in an image is the image's own: it may do anything. */

const MiB = 1024 * 1024;

/** Milliseconds that the preparation of one system may take: two initramfs on a slow disk, and packages over a slow line. */
export const PREPARE_MS = 3_600_000;

/** Bytes that what runs in an image may say. */
export const PREPARE_OUTPUT_BYTES = 64 * MiB;

/** Characters of a line that are kept of what it says. */
export const PREPARE_LINE_CHARACTERS = 500;

/** Lines that are kept of what it says it did. */
export const PREPARE_LINES = 200;

/** Bytes left free in the data folder where an image is copied to be prepared: it grows by an initramfs for each kernel, and by packages. */
export const PREPARE_RESERVE_BYTES = 512 * MiB;
