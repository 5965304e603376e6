/** Deletions that event.from still tells of; who has not asked for longer gets EVENTS_LOST. */
export const MAX_DELETIONS = 10_000;

/** Entries of the change log beyond two for each object before it is compacted; more than the deletions that it keeps. */
export const SPARE_CHANGES = 20_000;
