/** From when on two runs are not compared: what differs then is the machine, not the server. */

/** Medians of how idle the machine was before each measurement; so far apart, as a share of the machine. */
export const MAX_IDLE_DIFFERENCE = 0.1;

/** Share of a run's measurements that may be noisy. */
export const MAX_NOISY_SHARE = 0.25;

/** Sizes of the machine's memory, relative to each other: a kernel keeps a little for itself. */
export const MAX_MEMORY_DIFFERENCE = 0.02;

/** Bytes per request of the same workload, relative to each other: mixed sizes vary by chance. */
export const MAX_REQUEST_SIZE_DIFFERENCE = 0.05;

/** How likely chance alone may set all rounds of one run apart from all of the other, to be called a difference. */
export const MAX_CHANCE = 0.05;
