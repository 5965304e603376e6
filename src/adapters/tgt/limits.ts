/** What the tgt adapter allows itself. Milliseconds and bytes. */

/** One call of `tgtadm`, which asks a daemon on this host. */
export const CALL_MS = 20_000;

/** What one call may say: some 2 KB a target with its sessions. */
export const CALL_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Allocating a thick volume, as long as the file system takes. */
export const ALLOCATE_MS = 6 * 60 * 60 * 1000;

/** What is kept of the daemon's words for people. */
export const NATIVE_MESSAGE_CHARACTERS = 1000;

/** Sizes are rounded up to a multiple of it, in bytes: tgt's block size. */
export const SIZE_GRANULARITY = 512;

/** Largest volume in bytes. */
export const SIZE_MAXIMUM = 2 ** 50;

/** Longest name of a volume or a host, in characters. */
export const NAME_CHARACTERS = 64;

/** Volumes in one page of a list. */
export const PAGE_ITEMS = 200;

/** Targets of one daemon: its numbers have 16 bits. */
export const TARGETS = 65_535;

/** The LUN of a volume: each has a target of its own, whose LUN 0 is the controller. */
export const VOLUME_LUN = 1;

/** Requests wait this long for a path before they fail, unless the settings say otherwise. */
export const PATIENCE_MS = 60_000;
