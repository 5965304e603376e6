/** Limits of the CLI. Times in milliseconds. */

/** A server that has not answered after so long cannot be reached. */
export const REQUEST_TIMEOUT_MS = 120_000;
/** Characters of what the server is told of the user, for its audit. */
export const MAX_USER_LENGTH = 128;
/** Between two looks at a task that is waited for. */
export const TASK_POLL_MS = 250;
/** Without a terminal, progress is told again after so many percent. */
export const PROGRESS_STEP_PERCENT = 10;
export const DEFAULT_EVENTS_SHOWN = 50;
