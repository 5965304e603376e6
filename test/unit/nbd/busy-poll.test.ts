import { describe, expect, it } from 'vitest';
import { BusyPoll, type BusyPollHost } from '../../../src/nbd/busy-poll.ts';
import { BUSY_POLL_BAD_MOMENTS, BUSY_POLL_MS, BUSY_POLL_OFF_MS } from '../../../src/nbd/limits.ts';

/** A thread that counts how often it goes round; a round takes 2 µs. */
class FakeThread implements BusyPollHost {
  time = 0;
  rounds = 0;
  #due: (() => void)[] = [];
  now(): number {
    return this.time;
  }
  endOfTurn(action: () => void): void {
    this.#due.push(action);
  }
  /** Goes round until it would sleep, or until so much time has passed. */
  pass(ms: number): void {
    const until = this.time + ms;
    while (this.#due.length > 0 && this.time < until) {
      for (const action of this.#due.splice(0)) action();
      this.time += 0.002;
      this.rounds += 1;
    }
    this.time = Math.max(this.time, until);
  }
}

describe('busy polling', () => {
  it('keeps the thread awake from one request to the next, and no longer', () => {
    const thread = new FakeThread();
    const poll = new BusyPoll(thread);
    for (let request = 0; request < 100; request += 1) {
      poll.answered();
      thread.pass(0.02);
    }
    expect(thread.rounds).toBe(100 * 10);
    thread.pass(10);
    expect(thread.rounds).toBeLessThan(100 * 10 + (2 * BUSY_POLL_MS) / 0.002);
  });

  it('stops for a client that is too far away, for a time that doubles', () => {
    const thread = new FakeThread();
    const poll = new BusyPoll(thread);
    const far = (requests: number): number => {
      const before = thread.rounds;
      for (let request = 0; request < requests; request += 1) {
        poll.answered();
        thread.pass(2 * BUSY_POLL_MS);
      }
      return thread.rounds - before;
    };
    expect(far(BUSY_POLL_BAD_MOMENTS)).toBeGreaterThan(0);
    expect(far((0.9 * BUSY_POLL_OFF_MS) / (2 * BUSY_POLL_MS))).toBe(0);
    thread.pass(0.2 * BUSY_POLL_OFF_MS);
    expect(far(BUSY_POLL_BAD_MOMENTS)).toBeGreaterThan(0);
    expect(far((1.9 * BUSY_POLL_OFF_MS) / (2 * BUSY_POLL_MS))).toBe(0);
  });

  it('starts again for a client that is near, and stays', () => {
    const thread = new FakeThread();
    const poll = new BusyPoll(thread);
    for (let request = 0; request < 1_000; request += 1) {
      poll.answered();
      thread.pass(1);
    }
    thread.pass(20_000);
    const before = thread.rounds;
    for (let request = 0; request < 1_000; request += 1) {
      poll.answered();
      thread.pass(0.02);
    }
    expect(thread.rounds - before).toBe(10_000);
  });
});
