/**
 * Calls `action` after `ms`, and not before what has arrived by then was read: a thread that stood still (its process was
 * stopped, its machine paused) finds the deadline over and the answer there, and nobody must be told that it never came.
 *
 * @returns the timer, which keeps the process alive unless it is told not to, and what cancels it
 */
export function deadline(
  ms: number,
  action: () => void,
): { readonly timer: NodeJS.Timeout; readonly cancel: () => void } {
  let reading: NodeJS.Immediate | undefined;
  // The event loop looks at sockets between its timers and its immediates.
  const timer = setTimeout(() => {
    reading = setImmediate(action);
  }, ms);
  return {
    timer,
    cancel: () => {
      clearTimeout(timer);
      clearImmediate(reading);
    },
  };
}
