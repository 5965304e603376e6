import { hrtime } from 'node:process';

/** Milliseconds, monotonic, for whoever asks around every system call: `performance.now` checks each time what it is called on. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1e3 + nanoseconds * 1e-6;
}
