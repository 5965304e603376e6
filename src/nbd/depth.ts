/**
 * Whether a client keeps several requests in flight, by how many each of its read events brings. One that waits for each answer
 * never has two in an event. One that does not may have a thousand single ones in a row: a server that answers
 * each at once never sees that there are more on their way. Where the thread has slept before, they would have
 * come together.
 */
import { DEEP_EVENTS, NAP_EVENTS, SHALLOW_EVENTS } from './limits.ts';

export class Depth {
  /** Read events since one brought several requests; one after a nap says as much as many. */
  #single = DEEP_EVENTS;

  /** @param napped whether the thread had slept before, so that requests could gather */
  event(requests: number, napped: boolean): void {
    if (requests > 1) this.#single = 0;
    else if (this.#single < DEEP_EVENTS) this.#single += napped ? NAP_EVENTS : 1;
  }

  /** It may have several in flight: it would not suffer from a nap. */
  get mayBeDeep(): boolean {
    return this.#single < DEEP_EVENTS;
  }

  /** It had several in flight a moment ago. */
  get isDeep(): boolean {
    return this.#single < SHALLOW_EVENTS;
  }
}
