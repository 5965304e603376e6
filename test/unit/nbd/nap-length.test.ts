/** How long a thread sleeps so that requests gather. */
import { describe, expect, it } from 'vitest';
import {
  COALESCE_NAPS_MS,
  COALESCE_OFF_LONGEST_MS,
  COALESCE_OFF_MS,
} from '../../../src/nbd/limits.ts';
import { NapLength } from '../../../src/nbd/nap-length.ts';

const WINDOW = 20;
const [SHORT = 0, LONGER = 0, LONGEST = 0] = COALESCE_NAPS_MS;

class Client {
  readonly nap = new NapLength();
  time = 0;
  /** Requests per event after naps so long. */
  gathers: (milliseconds: number) => number = () => 1;

  windows(count: number): number {
    for (let at = 0; at < count; at++) {
      this.time += WINDOW;
      this.nap.worthIt(this.gathers(this.nap.milliseconds), this.time);
    }
    return this.nap.milliseconds;
  }
}

/** As many in flight as there is time for. */
const STEADY = (milliseconds: number): number => 4 + 120 * milliseconds;

describe('a nap', () => {
  it('is longer as long as that gathers more', () => {
    const client = new Client();
    client.gathers = STEADY;
    expect(client.nap.milliseconds).toBe(SHORT);
    expect(client.windows(4)).toBe(LONGER);
    expect(client.windows(3)).toBe(LONGER);
    expect(client.windows(1)).toBe(LONGEST);
    expect(client.windows(100)).toBe(LONGEST);
  });

  it('is short where nothing more is in flight, and that is tried ever more rarely', () => {
    const client = new Client();
    client.gathers = () => 7;
    expect(client.windows(4)).toBe(LONGER);
    expect(client.windows(4)).toBe(SHORT);
    const tried: number[] = [];
    let before = SHORT;
    while (tried.length < 9) {
      const now = client.windows(1);
      if (now === LONGER && before === SHORT) tried.push(client.time);
      before = now;
    }
    const pauses = tried.slice(1).map((at, index) => at - (tried[index] ?? 0));
    expect(pauses[0]).toBeGreaterThan(2 * COALESCE_OFF_MS);
    for (const [index, pause] of pauses.entries()) {
      if (index > 0) expect(pause).toBeGreaterThanOrEqual(pauses[index - 1] ?? 0);
    }
    expect(pauses.at(-1)).toBeLessThan(COALESCE_OFF_LONGEST_MS + 20 * WINDOW);
  });

  it('is short where enough comes together', () => {
    const client = new Client();
    client.gathers = () => 30;
    expect(client.windows(50)).toBe(SHORT);
  });

  it('that cost throughput is shorter, for a second; the shortest cannot be', () => {
    const client = new Client();
    client.gathers = STEADY;
    client.windows(8);
    expect(client.nap.shorten(client.time)).toBe(true);
    expect(client.windows(COALESCE_OFF_MS / WINDOW - 1)).toBe(LONGER);
    expect(client.windows(8)).toBe(LONGEST);
    expect(client.nap.shorten(client.time)).toBe(true);
    expect(client.nap.shorten(client.time)).toBe(true);
    expect(client.nap.milliseconds).toBe(SHORT);
    expect(client.nap.shorten(client.time)).toBe(false);
  });

  it('begins anew for other clients', () => {
    const client = new Client();
    client.gathers = STEADY;
    client.windows(8);
    client.nap.shorten(client.time);
    client.nap.reset();
    expect(client.nap.milliseconds).toBe(SHORT);
    expect(client.windows(4)).toBe(LONGER);
  });
});
