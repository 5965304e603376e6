/** When a thread may sleep so that requests gather: never at the cost of throughput or of a waiting client. */
import { describe, expect, it } from 'vitest';
import { Coalescer, type CoalescerHost } from '../../../src/nbd/coalescer.ts';
import {
  COALESCE_LARGE_BYTES,
  COALESCE_OFF_MS,
  COALESCE_SHALLOW_TURNS,
} from '../../../src/nbd/limits.ts';

/** A thread whose time is made by the test. */
class FakeThread implements CoalescerHost {
  time = 0;
  naps = 0;
  #due: (() => void)[] = [];
  now(): number {
    return this.time;
  }
  endOfTurn(action: () => void): void {
    this.#due.push(action);
  }
  sleep(): void {
    this.naps += 1;
    this.time += NAP_MS;
  }
  endTurn(): void {
    for (const action of this.#due.splice(0)) action();
  }
}

const NAP_MS = 0.06;
const READ = 4096;

/** One client: how many requests an event brings, and how long a round takes, after a nap and without. */
interface Client {
  readonly gathered: number;
  readonly single: number;
  /** Milliseconds of a round, the nap not counted. */
  readonly round: number;
}

/** Rounds until so much time has passed; returns the share of them that ended with a nap. */
function run(coalescer: Coalescer, thread: FakeThread, client: Client, ms: number): number {
  const until = thread.time + ms;
  const naps = thread.naps;
  let rounds = 0;
  let napped = false;
  while (thread.time < until) {
    const requests = napped ? client.gathered : client.single;
    const before = thread.naps;
    coalescer.event(true, requests, requests * READ);
    thread.endTurn();
    thread.time += client.round;
    napped = thread.naps > before;
    rounds += 1;
  }
  return (thread.naps - naps) / rounds;
}

describe('a thread that serves clients with many requests in flight', () => {
  it('sleeps after most rounds while that gathers requests and costs no throughput', () => {
    const thread = new FakeThread();
    const coalescer = new Coalescer(thread);
    // 1 request each 10 µs without sleep; 16 each 140 µs with it.
    const share = run(coalescer, thread, { gathered: 16, single: 1.5, round: 0.015 }, 2_000);
    expect(share).toBeGreaterThan(0.5);
  });

  it('stops for a second, then two, when sleeping costs throughput', () => {
    const thread = new FakeThread();
    const coalescer = new Coalescer(thread);
    // Everything the client has in flight is there at once: it waits for us while we sleep.
    const starved = { gathered: 8, single: 4, round: 0.04 };
    run(coalescer, thread, starved, 200); // one window without, four with sleep: judged
    const naps = thread.naps;
    run(coalescer, thread, starved, COALESCE_OFF_MS - 200);
    expect(thread.naps).toBe(naps);
    run(coalescer, thread, starved, 300);
    expect(thread.naps).toBeGreaterThan(naps);
    const again = thread.naps;
    run(coalescer, thread, starved, 2 * COALESCE_OFF_MS - 300);
    expect(thread.naps).toBe(again);
  });

  it('stops when nothing gathers', () => {
    const thread = new FakeThread();
    const coalescer = new Coalescer(thread);
    const share = run(coalescer, thread, { gathered: 3, single: 2, round: 0.001 }, 500);
    expect(share).toBeLessThan(0.2);
  });

  it('tries again at once when other clients come', () => {
    const thread = new FakeThread();
    const coalescer = new Coalescer(thread);
    run(coalescer, thread, { gathered: 8, single: 4, round: 0.04 }, 200); // stopped: it cost throughput
    expect(
      run(coalescer, thread, { gathered: 16, single: 1.5, round: 0.015 }, 200),
    ).toBeGreaterThan(0.5);
  });
});

describe('a thread never sleeps', () => {
  const busy = { gathered: 16, single: 1.5, round: 0.015 };
  function settled(): { thread: FakeThread; coalescer: Coalescer } {
    const thread = new FakeThread();
    const coalescer = new Coalescer(thread);
    expect(run(coalescer, thread, busy, 200)).toBeGreaterThan(0.5);
    return { thread, coalescer };
  }

  it('for a client that waits for each answer', () => {
    const thread = new FakeThread();
    const coalescer = new Coalescer(thread);
    for (let index = 0; index < 10_000; index += 1) {
      coalescer.event(false, 1, READ);
      thread.endTurn();
      thread.time += 0.05;
    }
    expect(thread.naps).toBe(0);
  });

  it('for a while after such a client was heard among the others', () => {
    const { thread, coalescer } = settled();
    const naps = thread.naps;
    coalescer.event(false, 1, READ);
    for (let turn = 0; turn < COALESCE_SHALLOW_TURNS; turn += 1) {
      coalescer.event(true, 16, 16 * READ);
      thread.endTurn();
      thread.time += 0.015;
    }
    expect(thread.naps).toBe(naps);
    expect(run(coalescer, thread, busy, 200)).toBeGreaterThan(0.5);
  });

  it('while a request waits for a device', () => {
    const { thread, coalescer } = settled();
    coalescer.waiting(1);
    expect(run(coalescer, thread, busy, 200)).toBe(0);
    coalescer.waiting(-1);
    expect(run(coalescer, thread, busy, 200)).toBeGreaterThan(0.5);
  });

  it('where many requests arrive together anyway', () => {
    const thread = new FakeThread();
    const coalescer = new Coalescer(thread);
    const together = { gathered: 32, single: 16, round: 0.1 };
    expect(run(coalescer, thread, together, 1_000)).toBe(0);
  });

  it('for large requests', () => {
    const { thread, coalescer } = settled();
    const naps = thread.naps;
    for (let turn = 0; turn < 10_000; turn += 1) {
      coalescer.event(true, 8, 8 * (COALESCE_LARGE_BYTES + 1));
      thread.endTurn();
      thread.time += 0.05;
    }
    expect(thread.naps).toBe(naps);
  });
});
