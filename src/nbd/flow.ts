/**
 * How much memory one connection holds, and whether it may take on another request. A client that
 * sends faster than the device works, or that never reads its replies, stops being read here.
 */
import type { Budget } from './budget.ts';
import type { NbdLimits } from './limits.ts';

export class Flow {
  readonly #limits: NbdLimits;
  readonly #budget: Budget;
  #held = 0;
  #unsent = 0;
  #blockedByTotal = false;

  constructor(limits: NbdLimits, budget: Budget) {
    this.#limits = limits;
    this.#budget = budget;
  }

  /** Bytes of payloads, unfinished reads and replies that the client has not taken. */
  get held(): number {
    return this.#held;
  }

  get unsent(): number {
    return this.#unsent;
  }

  /**
   * @param bytes what the next request will hold
   * @param batched replies that wait for the end of this read event
   * @param inFlight requests that wait for the device
   */
  admits(bytes: number, batched: number, inFlight: number): boolean {
    const limits = this.#limits;
    this.#blockedByTotal = false;
    if (inFlight >= limits.requestsInFlight) return false;
    if (this.#unsent + batched > limits.unsentBytes) return false;
    const before = this.#held + batched;
    // Any single request must be able to pass, however large: else it would wait for ever.
    if (before > 0 && before + bytes > limits.bytesInFlight) return false;
    if (before + bytes <= limits.guaranteedBytes) return true;
    this.#blockedByTotal = !this.#budget.admits(batched + bytes);
    return !this.#blockedByTotal;
  }

  /** Whether the last refusal was the server's total, so that only others can make room. */
  get blockedByTotal(): boolean {
    return this.#blockedByTotal;
  }

  take(bytes: number): void {
    this.#held += bytes;
    this.#budget.take(bytes);
  }

  give(bytes: number): void {
    this.#held -= bytes;
    this.#budget.give(bytes);
  }

  sending(bytes: number): void {
    this.#unsent += bytes;
    this.take(bytes);
  }

  sent(bytes: number): void {
    this.#unsent -= bytes;
    this.give(bytes);
  }
}
