/** Limits of storage repositories. */

/** Milliseconds within which every worker must hold a volume's requests; else none is held, and nothing is done. */
export const HOLD_TIME_MAX = 10_000;

/** Milliseconds that an array may take for snapshots while their volumes are held. */
export const SNAPSHOT_TIME_MAX = 20_000;

/**
 * Milliseconds within which every worker must have let go of a repository that is detached: longer than a session of
 * storage that answers takes to end.
 */
export const PART_TIME_MAX = 20_000;

/** Volumes of a repository that LIST shows: a client reads all of them before it chooses. */
export const LISTED_VOLUMES = 1000;

/** Records of volumes that are read at once, where all of a repository are gone through. */
export const VOLUMES_READ_AT_ONCE = 1000;

/** Milliseconds that detaching a repository waits for what is being deleted in it in the background. */
export const COLLECT_TIME_MAX = 10_000;

/**
 * Volumes, snapshots and layers whose traffic is counted each by itself, 128 bytes for each thread that serves exports;
 * what is opened beyond that is counted with others of its repository.
 */
export const MAX_COUNTED_DISKS = 4096;
