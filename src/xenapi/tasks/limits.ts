/** Tasks that have ended and are still shown; the oldest go first (xapi_globs.ml, max_tasks). */
export const MAX_ENDED_XEN_TASKS = 200;

/** Milliseconds for which a task that has ended is shown (xapi_globs.ml, completed_task_timeout). */
export const ENDED_XEN_TASK_MS = 65 * 60 * 1000;

/** Milliseconds after which a task that a client made and nobody works on is taken away (pending_task_timeout). */
export const PENDING_XEN_TASK_MS = 24 * 60 * 60 * 1000;

/** Tasks that have not ended, of all users; beyond that new ones are refused (TOO_MANY_PENDING_TASKS). */
export const MAX_PENDING_XEN_TASKS = 1000;

/** Characters of what a client writes into a task: its name, description, result, errors, other_config, each. */
export const MAX_XEN_TASK_TEXT = 64 * 1024;
