/** Limits of what XenAPI reads and writes itself. Each has a line in docs/LIMITS.md. */

/** Bytes of disks kept in memory: what the chains below snapshots and versions share. */
export const DISK_CACHE_BYTES = 16 * 1024 * 1024;
