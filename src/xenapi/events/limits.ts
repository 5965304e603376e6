/** Milliseconds for which changes gather before a waiting event.from is answered; none if it asks for tasks only. */
export const EVENT_BATCH_MS = 50;

/** Milliseconds that event.from waits at most, whatever it asks for. */
export const EVENT_FROM_LONGEST_MS = 24 * 60 * 60 * 1000;

/** Milliseconds that event.next waits at most; then it is answered with nothing. */
export const EVENT_NEXT_LONGEST_MS = 30_000;

/** Calls that wait for events at a time; beyond that they are refused (TOO_MANY_PENDING_TASKS). */
export const MAX_EVENT_WAITERS = 1000;

/** Of one session. */
export const MAX_EVENT_WAITERS_OF_SESSION = 64;

/** Classes and objects that one call, or one session by event.register, asks about. */
export const MAX_EVENT_SUBSCRIPTIONS = 1000;
