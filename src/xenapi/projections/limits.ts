/** Milliseconds between two looks at the memory and the addresses of the host. */
export const HOST_EVERY_MS = 60_000;

/** Milliseconds between two looks at which machines are on. */
export const MACHINES_EVERY_MS = 5000;
