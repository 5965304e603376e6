/** Seconds between two samples. */
export const RRD_SAMPLE_SECONDS = 5;

/** Figures that are recorded, each some 3 KiB; of repositories beyond that nothing is. */
export const MAX_RRD_SOURCES = 4096;
