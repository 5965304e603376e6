/** Write caches that are opened at the same time when the service starts. */
export const OVERLAYS_OPENED_AT_ONCE = 8;
