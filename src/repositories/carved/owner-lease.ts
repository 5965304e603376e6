/**
 * Of a worker: whether it may still believe that the device is ours.
 *
 * The control thread adds a beat to shared memory each time it has found our token in the superblock, with a reading
 * that took less than a lease. A worker cannot see when that was, only that the beat changed between two looks of its
 * own. It trusts a beat for one lease from the look that found it, and only if its look before was less than a lease
 * earlier; otherwise it asks. A write therefore begins less than three leases after a reading began that still showed our
 * token: one for the reading, one between the looks, one since. Whoever takes the device over waits four
 * (TAKE_OVER_WAIT_MS). What this cannot bound is how long a write that has begun is under way in the storage network;
 * an array that can cut a host off should (ArrayControl.masking.fence).
 */
import { OWNER_LEASE_MS } from './limits.ts';
import type { DeviceWords } from './shared-words.ts';

export class OwnerLease {
  readonly #words: DeviceWords;
  readonly #clock: () => number;
  #beat = 0;
  #looked = Number.NEGATIVE_INFINITY;
  #trusted = Number.NEGATIVE_INFINITY;

  /** @param clock milliseconds, monotonic */
  constructor(words: DeviceWords, clock: () => number) {
    this.#words = words;
    this.#clock = clock;
  }

  /** Whether a write may begin now. */
  holds(): boolean {
    const now = this.#clock();
    const { beat } = this.#words;
    if (beat !== this.#beat) {
      if (now - this.#looked <= OWNER_LEASE_MS) this.#trusted = now;
      this.#beat = beat;
    }
    this.#looked = now;
    return now - this.#trusted <= OWNER_LEASE_MS;
  }

  /** The control thread has looked after it was asked at `asked`. */
  renewed(asked: number): void {
    this.#trusted = Math.max(this.#trusted, asked);
    this.#looked = asked;
    this.#beat = this.#words.beat;
  }
}
