/** What a connection has done so far. Plain numbers, counted where it happens. */
export interface Counters {
  requests: number;
  /** Requests answered with an error. */
  errors: number;
  bytesRead: number;
  bytesWritten: number;
}

export function newCounters(): Counters {
  return { requests: 0, errors: 0, bytesRead: 0, bytesWritten: 0 };
}
