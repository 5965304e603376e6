/** Longest identification page (VPD 83h) that is read, in bytes. */
export const VPD_PAGE_BYTES = 4096;

/** Longest file of /sys that is read, in bytes. */
export const SYS_FILE_BYTES = 4096;

/** Most block devices that a look at the host goes through. */
export const BLOCK_DEVICES = 4096;

/** Alignment of memory for reads past the page cache that is tried, in bytes; a device may be content with less. */
export const DIRECT_ALIGNMENT_BYTES = 4096;

/** Addresses of buffers are multiples of this many bytes. */
export const BUFFER_ALIGNMENT_BYTES = 8;
