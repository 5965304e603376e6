/** Limits of sealed layers. */

/** Runs of data and holes that one `extents` call of a layer looks at before it stops early. */
export const EXTENT_SCAN_RUNS = 65_536;

/** Bytes that read as zeroes and are read from the volume all the same, when that joins two requests into one. */
export const READ_THROUGH_BYTES = 256 * 1024;
