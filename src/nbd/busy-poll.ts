/**
 * Stays awake for a client that waits for each answer and then asks again at once, as a machine that
 * boots does: falling asleep and being woken costs such a request more than everything else, about
 * 25 µs on each side. After an answer the thread goes round its event loop for a moment instead of
 * sleeping ("busy polling"); each request that comes meanwhile prolongs it.
 *
 * It costs about as much CPU as sleeping and waking would, as long as requests do come. A client that is
 * further away, or thinks, makes it pay for nothing: after a few moments in which too little came it
 * stops, for a time that doubles.
 */
import {
  BUSY_POLL_BAD_MOMENTS,
  BUSY_POLL_MS,
  BUSY_POLL_OFF_LONGEST_MS,
  BUSY_POLL_OFF_MS,
  BUSY_POLL_WORTH,
} from './limits.ts';
import { Rest } from './rest.ts';

export interface BusyPollHost {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Runs the action once all events of this round of the loop were handled; the loop does not sleep. */
  endOfTurn(action: () => void): void;
}

export class BusyPoll {
  readonly #host: BusyPollHost;
  readonly #endTurn = (): void => this.#turnEnded();
  #awake = false;
  #until = 0;
  #answered = 0;
  #badMoments = 0;
  readonly #off = new Rest(BUSY_POLL_OFF_MS, BUSY_POLL_OFF_LONGEST_MS);

  constructor(host: BusyPollHost) {
    this.#host = host;
  }

  /** A request of a client that waits for each answer was answered. */
  answered(): void {
    const now = this.#host.now();
    if (!this.#off.isOver(now)) return;
    this.#until = now + BUSY_POLL_MS;
    if (this.#awake) {
      this.#answered += 1;
      return;
    }
    this.#awake = true;
    this.#answered = 0;
    this.#host.endOfTurn(this.#endTurn);
  }

  #turnEnded(): void {
    const now = this.#host.now();
    if (now < this.#until) {
      this.#host.endOfTurn(this.#endTurn);
      return;
    }
    this.#awake = false;
    if (this.#answered >= BUSY_POLL_WORTH) {
      this.#badMoments = 0;
      this.#off.paid();
      return;
    }
    this.#badMoments += 1;
    if (this.#badMoments < BUSY_POLL_BAD_MOMENTS) return;
    this.#badMoments = 0;
    this.#off.begin(now);
  }
}
