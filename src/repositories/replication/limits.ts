/** Limits of the replication engine. Each has a line in docs/LIMITS.md. */

/** Unit of hashing and of change, in bytes, aligned: what differs in a byte is looked at as a whole. */
export const REPLICATION_CHUNK_BYTES = 64 * 1024;

/** What is compared and written inside a chunk, in bytes, where the target can write so little. */
export const REPLICATION_BLOCK_BYTES = 4096;

/** Most bytes of one read of a point. */
export const REPLICATION_WINDOW_BYTES = 1024 * 1024;

/** Windows of one copy that are under way at the same time: each holds two buffers of its size. */
export const REPLICATION_WINDOWS = 4;

/** Bytes looked at after which the target is flushed, read back, and the cursor recorded. */
export const REPLICATION_CHECKPOINT_BYTES = 64 * 1024 * 1024;

/** Milliseconds after which that happens all the same: what a slow copy may have to do again. */
export const REPLICATION_CHECKPOINT_MS = 2_000;

/** Pieces that wait to be read back; beyond, there is a checkpoint. */
export const REPLICATION_CHECKS_PENDING = 4_096;

/** Of so many chunks, one is read back where a sample is enough. */
export const REPLICATION_SAMPLE = 16;

/** Most bytes that one request zeroes. */
export const REPLICATION_ZERO_BYTES = 64 * 1024 * 1024;

/** Most bytes of holes that are passed without a look at the clock. */
export const REPLICATION_HOLE_BYTES = 4 * 1024 * 1024 * 1024;

/** Extents that one question asks for. */
export const REPLICATION_EXTENTS = 256;

/** Longest wait of the throttle before it looks at its rate again, in milliseconds. */
export const THROTTLE_STEP_MS = 1_000;
