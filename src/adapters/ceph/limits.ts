/** What the Ceph adapter allows itself. Milliseconds and bytes. */

/** A short call of `rbd` or `ceph`. One that is killed after it may have happened (UNKNOWN_OUTCOME). */
export const CALL_MS = 60_000;

/** Copies, flattening, rolling back, thick creation and deletion: as long as the data takes. */
export const LONG_CALL_MS = 24 * 60 * 60 * 1000;

/** How long a program tries to reach a monitor before it gives up, in seconds. */
export const CONNECT_SECONDS = 15;

/** What one call may say. A difference of two snapshots takes some 60 bytes an extent. */
export const CALL_OUTPUT_BYTES = 256 * 1024 * 1024;

/** What is kept of a program's complaints for people. */
export const NATIVE_MESSAGE_CHARACTERS = 1000;

/** Programs that are asked at the same time. */
export const CALLS_AT_ONCE = 4;

/** Volumes or snapshots in one page of a list. */
export const PAGE_ITEMS = 100;

/** Longest name of a volume, a snapshot or a host: an image's may have 96 characters, and 26 of them are ours (names.ts). */
export const NAME_CHARACTERS = 70;

/** Clones of clones of clones, unless the repository's settings say otherwise. librbd itself gives up beyond 16. */
export const CLONE_DEPTH = 8;
export const CLONE_DEPTH_MOST = 15;

/** Snapshots of one image: the kernel's client cannot see more than 510. */
export const SNAPSHOTS_PER_VOLUME = 500;

/** Largest image in bytes: the largest offset that the data path can say. */
export const SIZE_MAXIMUM = 2 ** 50;

/** Sizes are rounded up to a multiple of it, in bytes: what a disk's sector is to every guest. */
export const SIZE_GRANULARITY = 512;

/** Extents of a difference that are kept for the next range that is asked for. */
export const DIFF_EXTENTS_KEPT = 1_000_000;

/** How long a fenced host stays fenced unless it is unfenced before, in seconds: ten years. */
export const FENCE_SECONDS = 10 * 365 * 24 * 60 * 60;

/** How long the client of a dead qemu-nbd stays blocklisted, in seconds: longer than its last packets live. */
export const DEAD_CLIENT_SECONDS = 60 * 60;

/** qemu-nbd: until it listens, and until it has ended after SIGTERM before it is killed. */
export const NBD_START_MS = 30_000;
export const NBD_STOP_MS = 5_000;

/** How often a starting or ending qemu-nbd is looked at. */
export const NBD_POLL_MS = 10;

/** Requests wait this long for a qemu-nbd that died before they fail, unless the settings say otherwise. */
export const PATIENCE_MS = 60_000;

/** Between two attempts to reach it again: first and longest. */
export const RETRY_FIRST_MS = 50;
export const RETRY_LONGEST_MS = 1_000;

/** Bytes of a qemu-nbd's complaints that are kept. */
export const NBD_COMPLAINT_BYTES = 4096;

/** An image is open when a watcher is seen in this many looks, this many milliseconds apart. */
export const WATCHER_LOOKS = 4;
export const WATCHER_LOOK_MS = 150;

/** Before a call that changes something, the owner of the pool is looked up unless that was done within so many milliseconds. */
export const OWNER_CHECK_MS = 1000;

/** Crashes of a program, in a call that changes nothing, after which it is run again. */
export const CRASHES = 2;
