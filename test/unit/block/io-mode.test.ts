import { describe, expect, it } from 'vitest';
import { IoMode } from '../../../src/block/io-mode.ts';
import {
  ASYNC_PERIOD_LONGEST_MS,
  ASYNC_PERIOD_MS,
  SLOW_CALL_MS,
  SUSPICION_MS,
} from '../../../src/block/limits.ts';

const SLOW = SLOW_CALL_MS + 0.5;

/** A file whose synchronous calls take as long as a test says. */
class TimedFile {
  now = 1000;
  readonly #mode = new IoMode(() => this.now);

  /** Whether the call was made synchronously; if so, it took `ms`. */
  call(ms: number): boolean {
    const started = this.#mode.start();
    if (started < 0) return false;
    this.now += ms;
    this.#mode.finish(started);
    return true;
  }

  pass(ms: number): this {
    this.now += ms;
    return this;
  }
}

/** A file that has just become asynchronous. */
function slowFile(): TimedFile {
  const file = new TimedFile();
  file.call(SLOW);
  file.call(SLOW);
  return file;
}

describe('a file', () => {
  it('stays synchronous while calls are fast, or slow once in a while', () => {
    const file = new TimedFile();
    for (let index = 0; index < 20; index += 1) {
      expect(file.call(SLOW)).toBe(true);
      expect(file.call(0.01)).toBe(true);
      file.pass(SUSPICION_MS);
    }
  });

  it('becomes asynchronous when a second call is slow soon after, fast ones between or not', () => {
    expect(slowFile().call(0)).toBe(false);
    const file = new TimedFile();
    file.call(SLOW);
    expect(file.pass(SUSPICION_MS / 2).call(0)).toBe(true);
    expect(file.call(SLOW)).toBe(true);
    expect(file.call(0)).toBe(false);
  });

  it('is tried again after a while, and is synchronous again when it is fast', () => {
    const file = slowFile();
    expect(file.pass(ASYNC_PERIOD_MS - 1).call(0)).toBe(false);
    expect(file.pass(1).call(0.01)).toBe(true);
    expect(file.call(0.01)).toBe(true);
  });

  it('is left alone for twice as long, up to a limit, by one more slow call after each trial', () => {
    const file = slowFile();
    let period = ASYNC_PERIOD_MS;
    for (let trial = 0; trial < 10; trial += 1) {
      expect(file.call(0)).toBe(false);
      expect(file.pass(period - 1).call(0), `trial ${trial}`).toBe(false);
      expect(file.pass(1).call(SLOW), `trial ${trial}`).toBe(true);
      period = Math.min(2 * period, ASYNC_PERIOD_LONGEST_MS);
    }
    expect(period).toBe(ASYNC_PERIOD_LONGEST_MS);
  });

  it('starts with the short while again once it was fast', () => {
    const file = slowFile();
    expect(file.pass(ASYNC_PERIOD_MS).call(SLOW)).toBe(true);
    expect(file.pass(2 * ASYNC_PERIOD_MS).call(0.01)).toBe(true);
    file.call(SLOW);
    expect(file.call(0)).toBe(false);
    expect(file.pass(ASYNC_PERIOD_MS).call(0)).toBe(true);
  });
});
