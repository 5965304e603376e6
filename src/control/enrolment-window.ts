import {
  ENROLMENT_LIMIT_TOLD_MS,
  ENROLMENT_WINDOW_MS,
  MAX_ENROLMENTS_PER_WINDOW,
} from './limits.ts';

/**
 * Keeps a storm of made-up MAC addresses from filling the event log and from keeping the control
 * thread busy with writes. A real machine that is passed over repeats its packet, and comes in then.
 */
export class EnrolmentWindow {
  #startedAt = Number.NEGATIVE_INFINITY;
  #admitted = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** Counts one more unknown machine. @returns false when this window has had its number */
  admit(now: number): boolean {
    if (now - this.#startedAt >= ENROLMENT_WINDOW_MS) {
      this.#startedAt = now;
      this.#admitted = 0;
    }
    this.#admitted += 1;
    return this.#admitted <= MAX_ENROLMENTS_PER_WINDOW;
  }

  /** @returns whether a limit that was hit should be told now */
  mayTell(now: number): boolean {
    if (now - this.#toldAt < ENROLMENT_LIMIT_TOLD_MS) return false;
    this.#toldAt = now;
    return true;
  }
}
