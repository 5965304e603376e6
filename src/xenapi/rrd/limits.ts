/** Seconds between two samples. */
export const RRD_SAMPLE_SECONDS = 5;

/** Figures that are recorded, each some 3 KiB; of repositories beyond that nothing is. */
export const MAX_RRD_SOURCES = 4096;

/**
 * VDIs whose figures are recorded at once, each some 9 KiB (six of 240 rows); the one that has rested longest goes for
 * one that moves. What an answer with all of them costs is bounded by it, too: some 2 MB.
 */
export const MAX_RRD_VDIS = 256;

/** Seconds that a VDI rests before its figures are dropped. */
export const RRD_VDI_IDLE_SECONDS = 3600;
