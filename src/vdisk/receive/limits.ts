/** Limits of what is received. */

/** Chunks whose bits are kept together: 512 bytes of memory for each 256 MiB of disk in which something changed. */
export const CHUNK_SET_PAGE_CHUNKS = 4096;
