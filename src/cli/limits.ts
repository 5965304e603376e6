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

/** Bytes read from a file at once to be sent. */
export const READ_BYTES = 1024 * 1024;
/** A server that does not say whether it wants what is to be sent, after so long, is sent it. */
export const CONTINUE_WAIT_MS = 10_000;
/** In the middle of a stream a server that has sent nothing for so long is given up. */
export const STREAM_IDLE_MS = 300_000;
/** After so long without a word the system asks whether the other side is still there. */
export const KEEP_ALIVE_PROBE_MS = 30_000;
/** Bytes that a bundle's description takes at most, with what stands around it. */
export const BUNDLE_BEGINNING_BYTES = 2 * 1024 * 1024 + 64 * 1024;
/** Bytes of an inventory file. */
export const INVENTORY_FILE_BYTES_MAX = 2 * 1024 * 1024;
/** Bytes of a file with a boot trace: 8 boots that each read as much as is recorded. */
export const TRACE_FILE_BYTES_MAX = 540_000;
/** Bytes of a file that holds a password. */
export const SECRET_FILE_BYTES_MAX = 8 * 1024;
/** Items of a long list that are asked for at once. */
export const ITEMS_PER_PAGE = 500;
