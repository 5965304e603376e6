/** The requests of a connection that wait for the device, and the end of those that failed. */
import type { Counters } from './counters.ts';
import type { FailureLog } from './failure.ts';
import type { Replies } from './replies.ts';
import { NBD_CMD_READ } from './wire/constants.ts';
import type { Request } from './wire/index.ts';

export interface PendingParts {
  readonly replies: Replies;
  readonly counters: Counters;
  readonly failures: FailureLog;
  /** A request that waited has been answered into the batch; `bytes` are what it held. */
  readonly onSettled: (bytes: number) => void;
  /** A request starts to wait and holds `bytes`. */
  readonly onWaiting: (bytes: number) => void;
}

export class Pending {
  readonly #parts: PendingParts;
  #inFlight = 0;

  constructor(parts: PendingParts) {
    this.#parts = parts;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  wait(bytes: number): void {
    this.#inFlight += 1;
    this.#parts.onWaiting(bytes);
  }

  settled(bytes: number): void {
    this.#inFlight -= 1;
    this.#parts.onSettled(bytes);
  }

  /** Answers a request that the device failed. */
  fail(request: Request, failure: unknown): void {
    const { counters, failures, replies } = this.#parts;
    counters.errors += 1;
    if (request.type === NBD_CMD_READ) counters.bytesRead -= request.length;
    const { error, message, offset } = failures.narrow(request, failure);
    replies.error(request, error, message, offset);
  }
}
