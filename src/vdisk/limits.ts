/** A layer knows in units of this many bytes where it holds data. */
export const LAYER_CHUNK_BYTES = 64 * 1024;
