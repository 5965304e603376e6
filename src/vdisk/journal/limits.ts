const KIB = 1024;
const MIB = 1024 * KIB;

/** Everything in a journal segment begins at a multiple of this: what was synced is never written again. */
export const JOURNAL_PAGE_BYTES = 4 * KIB;

/** Changed bytes of one flush that go through the journal; a larger flush syncs its own volumes. */
export const JOURNAL_RECORD_DATA_BYTES = 256 * KIB;

/** Separate ranges of one such flush. */
export const JOURNAL_RECORD_RANGES = 64;

/** Longest name of an overlay in a record, in bytes. */
export const JOURNAL_KEY_BYTES = 255;

/** Overlays that are synced at the same time, of those with records in a segment that is full. */
export const CHECKPOINTS_AT_ONCE = 8;

/** Records that share one sync. */
export const JOURNAL_BATCH_BYTES = MIB;

/** Smallest segment: the header and a batch fit. */
export const JOURNAL_SEGMENT_LEAST_BYTES = 2 * MIB;

/** So much of a segment is filled with zeroes before its first use, and more as it is used: an idle service writes little. */
export const JOURNAL_AHEAD_BYTES = 16 * MIB;

/** Zeroes that are synced together, so that flushes that come meanwhile wait for no more. */
export const JOURNAL_FILL_BYTES = 8 * MIB;

/**
 * How far behind what cannot be read a later batch is looked for, which tells damage from the end: at every start, in
 * every segment. Damage that is longer is taken for the end.
 */
export const JOURNAL_DAMAGE_BYTES = 16 * MIB;

/** Segments are filled with zeroes, and read after a crash, in pieces of this many bytes. */
export const JOURNAL_PIECE_BYTES = MIB;
