/**
 * Lets requests gather before they are read, as network cards do with interrupts ("interrupt
 * moderation").
 *
 * A client that keeps many requests in flight and sends them one by one wakes the server for each: one
 * epoll_wait, one read and one write a request, and most of the time of a request is spent there.
 * When such clients are all there is to serve, the thread sleeps for a moment (60 µs, or a little longer:
 * nap-length.ts) after a round of the event loop. The next round then finds a dozen requests, and their
 * answers leave in one write.
 *
 * It must never cost throughput, and never touch a client that waits for each answer. So:
 * - only events of connections that lately had several requests at once count; an event of any other
 *   connection, or a request that waits for a disk, ends the sleeping for a while;
 * - large requests carry their costs themselves: no sleep;
 * - where enough requests arrive together anyway, there is no sleep;
 * - it is an experiment that goes on: every so often a window of time without sleep is measured. When
 *   the windows with sleep were slower, or gathered nothing, sleeping stops for a time that doubles, or
 *   until requests arrive in quite another way: then these are other clients.
 */
import {
  COALESCE_LARGE_BYTES,
  COALESCE_NAP_WINDOWS,
  COALESCE_OFF_LONGEST_MS,
  COALESCE_OFF_MS,
  COALESCE_SHALLOW_TURNS,
  COALESCE_WINDOW_MS,
} from './limits.ts';
import { NapLength } from './nap-length.ts';
import { Rest } from './rest.ts';

/** A window with sleep must bring at least this share of what one without brings. */
const LEAST_THROUGHPUT = 0.9;

/** … and this many times as many requests per event, else sleeping is for nothing. */
const LEAST_GATHERING = 2;

/** Requests per event without sleep that leave nothing to be gained. */
const GATHERED = 8;

/** Requests per event that differ by so much are those of other clients. */
const OTHER_CLIENTS = 2;

/** Windows in a row that say so, before it is believed: one may have been disturbed. */
const BAD_WINDOWS = 4;

export interface CoalescerHost {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Runs the action once all events of this round of the loop were handled. */
  endOfTurn(action: () => void): void;
  /** Blocks the thread. */
  sleep(milliseconds: number): void;
}

interface Window {
  readonly naps: boolean;
  readonly startedAt: number;
  requests: number;
  events: number;
}

interface Pace {
  readonly perMs: number;
  readonly perEvent: number;
}

export class Coalescer {
  readonly #host: CoalescerHost;
  readonly #endTurn = (): void => this.#turnEnded();
  #ending = false;
  #requests = 0;
  #events = 0;
  #bytes = 0;
  #waiting = 0;
  #shallowTurns = 0;
  #napped = false;
  readonly #nap = new NapLength();
  #lastTurnAt = Number.NEGATIVE_INFINITY;
  readonly #off = new Rest(COALESCE_OFF_MS, COALESCE_OFF_LONGEST_MS);
  #window: Window | undefined;
  #plain: Pace | undefined;
  #napWindows = 0;
  #badWindows = 0;

  constructor(host: CoalescerHost) {
    this.#host = host;
  }

  /** Whether the thread has slept before what arrives now: what could gather has gathered. */
  get napped(): boolean {
    return this.#napped;
  }

  /**
   * A read event was handled.
   * @param deep whether its connection lately had several requests at once (depth.ts)
   * @param bytes of the requests
   */
  event(deep: boolean, requests: number, bytes: number): void {
    if (!deep) {
      this.#shallowTurns = COALESCE_SHALLOW_TURNS;
      return;
    }
    this.#requests += requests;
    this.#events += 1;
    this.#bytes += bytes;
    if (this.#ending) return;
    this.#ending = true;
    this.#host.endOfTurn(this.#endTurn);
  }

  /** So many more requests (or fewer) wait for a device. */
  waiting(change: number): void {
    this.#waiting += change;
  }

  #turnEnded(): void {
    const requests = this.#requests;
    const events = this.#events;
    const large = this.#bytes > requests * COALESCE_LARGE_BYTES;
    this.#ending = false;
    this.#requests = 0;
    this.#events = 0;
    this.#bytes = 0;
    this.#napped = false;
    if (this.#shallowTurns > 0) {
      this.#shallowTurns -= 1;
      this.#window = undefined;
      return;
    }
    if (large || this.#waiting > 0) {
      this.#window = undefined;
      return;
    }
    this.#napped = this.#naps(requests, events);
    if (this.#napped) this.#host.sleep(this.#nap.milliseconds);
  }

  /** Counts the turn, judges the window when it is over, and says whether to sleep now. */
  #naps(requests: number, events: number): boolean {
    const now = this.#host.now();
    const paused = now - this.#lastTurnAt > COALESCE_WINDOW_MS / 2;
    this.#lastTurnAt = now;
    // A window in which the clients had nothing to ask for a while says nothing.
    if (this.#window === undefined || paused) this.#window = this.#open(now);
    const window = this.#window;
    window.requests += requests;
    window.events += events;
    const elapsed = now - window.startedAt;
    if (elapsed >= COALESCE_WINDOW_MS) {
      this.#judge(window, elapsed, now);
      this.#window = this.#open(now);
    }
    return this.#window.naps;
  }

  #open(now: number): Window {
    const naps =
      this.#off.isOver(now) &&
      this.#plain !== undefined &&
      this.#plain.perEvent < GATHERED &&
      this.#napWindows < COALESCE_NAP_WINDOWS;
    return { naps, startedAt: now, requests: 0, events: 0 };
  }

  #judge(window: Window, elapsed: number, now: number): void {
    const pace = {
      perMs: window.requests / elapsed,
      perEvent: window.requests / Math.max(1, window.events),
    };
    if (!window.naps) {
      const before = this.#plain?.perEvent ?? pace.perEvent;
      const others =
        pace.perEvent * OTHER_CLIENTS < before || pace.perEvent > before * OTHER_CLIENTS;
      if (others) this.#resume();
      this.#plain = pace;
      this.#napWindows = 0;
      return;
    }
    this.#napWindows += 1;
    const plain = this.#plain ?? pace;
    const worthIt =
      pace.perMs >= plain.perMs * LEAST_THROUGHPUT &&
      pace.perEvent >= plain.perEvent * LEAST_GATHERING;
    this.#badWindows = worthIt ? 0 : this.#badWindows + 1;
    if (worthIt) this.#nap.worthIt(pace.perEvent, now);
    if (this.#badWindows >= BAD_WINDOWS) this.#stop(now);
    else if (this.#napWindows === COALESCE_NAP_WINDOWS) this.#off.paid();
  }

  /** Shorter naps, or none. */
  #stop(now: number): void {
    this.#badWindows = 0;
    if (!this.#nap.shorten(now)) this.#off.begin(now);
  }

  #resume(): void {
    this.#off.end();
    this.#nap.reset();
  }
}

/** The thread that serves: nobody else may be waiting for it. */
export function threadHost(): CoalescerHost {
  const never = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  return {
    now: () => performance.now(),
    endOfTurn: (action) => void setImmediate(action),
    sleep: (milliseconds) => void Atomics.wait(never, 0, 0, milliseconds),
  };
}
