/** Limits of sealed layers. */

/** Runs of data and holes that one `extents` call of a layer looks at before it stops early. */
export const EXTENT_SCAN_RUNS = 65_536;
