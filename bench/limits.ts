/** The limits of a measurement; what exceeds them is repeated or marked. */

/** The machine must be this idle before a cell is measured. */
export const MIN_IDLE_SHARE = 0.8;

/** While a cell runs, no more of the machine than this may go to neither server nor client. */
export const MAX_FOREIGN_SHARE = 0.15;

/** How often a cell is measured while others keep the machine busy, before it is taken as it is and marked. */
export const MAX_TRIES = 3;

/** How long the machine is watched to tell how idle it is. */
export const IDLE_WATCH_MS = 400;

/** A server that is not up by then will not come up. */
export const START_TIMEOUT_MS = 30_000;

/** A server that has not left by then after SIGTERM is killed. */
export const STOP_TIMEOUT_MS = 10_000;

/** A client that runs longer than its time plus this hangs. */
export const CLIENT_GRACE_MS = 60_000;

/** A recorded machine that has no connection for so long has left. */
export const LEAVE_GRACE_MS = 2_000;

/** Memory that is touched before a cell that writes: as much as a hundred boots write. */
export const TOUCHED_BYTES = 3 * 2 ** 30;

/** A warm-up, unless it is told otherwise: until a compiler that learns while it runs has come to rest. */
export const WARM_UP_SECONDS = 10;

/** Times that a warm-up writes its area for the first time: the code for that comes to rest after 200,000 blocks or so. */
export const WARM_FIRST_PASSES = 8;

/** Connections of a warm-up, at most. */
export const WARM_CONNECTIONS = 16;

/** Machines beside those that are measured, on which a server is warmed up by replays of the trace. */
export const WARM_MACHINES = 8;
