/**
 * Calls to one program of one server that outlive their connection.
 *
 * A call is answered or fails within the patience. When a connection breaks, or the server gives no sign of life, all
 * connections are made anew (with back-off); then `recover` runs, alone: it brings the server's state to where ours
 * is. Only then are the calls that were not answered sent again, with the same xid and before newer ones. A call
 * that must not be repeated fails with `lost` instead: its caller looks what became of it.
 */
import type { Socket } from 'node:net';
import {
  CALLS_IN_FLIGHT,
  RECONNECT_FIRST_MS,
  RECONNECT_MOST_MS,
  SIGN_OF_LIFE_MS,
  SILENCE_MS,
  SWEEP_MS,
} from '../limits.ts';
import type { RpcCall } from './call.ts';
import { RpcConnection } from './connection.ts';
import { RpcFailure } from './failure.ts';
import type { Time } from './time.ts';

export interface RpcClientOptions {
  /** A new connection. Rejects with what stands in its way. */
  readonly connect: () => Promise<Socket>;
  readonly connections: number;
  /** Milliseconds. */
  readonly patience: number;
  readonly time: Time;
  /** In [0, 1). */
  readonly random: () => number;
  /** Runs after each connecting, with `urgent` calls; when it rejects, the connections are made anew. */
  readonly recover?: () => Promise<void>;
  /** A call that asks for nothing (procedure NULL). */
  readonly ping: () => RpcCall;
  /** Calls fail as soon as the first attempt to connect does. */
  readonly impatientAtFirst?: boolean;
  readonly onLost?: (reason: Error) => void;
}

type State = 'idle' | 'connecting' | 'recovering' | 'ready' | 'waiting' | 'closed';

export class RpcClient {
  readonly #options: RpcClientOptions;
  readonly #time: Time;
  #state: State = 'idle';
  #connections: RpcConnection[] = [];
  #queue: RpcCall[] = [];
  #queueStart = 0;
  #xid: number;
  #backOff = RECONNECT_FIRST_MS;
  #everConnected = false;
  #recovering: Promise<void> | undefined;
  #cancelSweep: (() => void) | undefined;
  #cancelWait: (() => void) | undefined;
  /**
   * Calls that may be under way on one connection. One after a connection broke, and twice as many with each answer:
   * all that waits, sent at once, might be what breaks it, over and over.
   */
  #window = CALLS_IN_FLIGHT;
  #drained: (() => void) | undefined;
  #trouble: Error | undefined;

  constructor(options: RpcClientOptions) {
    this.#options = options;
    this.#time = options.time;
    this.#xid = Math.floor(options.random() * 2 ** 32);
  }

  /** Why there is none, as far as it is known. */
  get trouble(): Error | undefined {
    return this.#trouble;
  }

  submit(call: RpcCall): void {
    call.deadline = this.#time.now() + this.#options.patience;
    call.xid = this.#nextXid();
    this.#enqueue(call);
  }

  /**
   * The same call again, later, within the patience that it has left; with another xid, or the server might repeat
   * what it said (RFC 1813, section 2.6, NFS3ERR_JUKEBOX).
   */
  resubmit(call: RpcCall, milliseconds: number): void {
    call.xid = this.#nextXid();
    if (milliseconds === 0) this.#enqueue(call);
    else this.#time.after(milliseconds, () => this.#enqueue(call));
  }

  /** A call of `recover`: goes out at once, and is lost with its connection. */
  urgent(call: RpcCall): void {
    const connection = this.#connections[0];
    if (this.#state !== 'recovering' || connection === undefined) {
      call.fail(new RpcFailure('lost', 'there is no connection', false));
      return;
    }
    call.deadline = this.#time.now() + this.#options.patience;
    call.xid = this.#nextXid();
    this.#send(connection, call);
    this.#sweepSoon();
  }

  /** Brings the server's state to ours on the connections that there are, when what is under way is answered. */
  async recoverNow(): Promise<void> {
    if (this.#state === 'ready') {
      this.#state = 'recovering';
      const connections = this.#connections;
      this.#recovering = this.#drain().then(() => this.#recover(connections));
    }
    await this.#recovering;
  }

  #drain(): Promise<void> {
    if (this.#idle()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  #idle(): boolean {
    return this.#connections.every((connection) => connection.calls.size === 0);
  }

  #answered(): void {
    if (this.#window < CALLS_IN_FLIGHT) this.#window *= 2;
    if (this.#drained !== undefined && this.#idle()) this.#takeDrained();
    if (this.#queue.length > 0) this.#pump();
  }

  #takeDrained(): void {
    const drained = this.#drained;
    this.#drained = undefined;
    drained?.();
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#cancelSweep?.();
    this.#cancelWait?.();
    this.#takeDrained();
    const calls = [...this.#drop(), ...this.#takeQueue()];
    for (const call of calls)
      call.fail(new RpcFailure('closed', 'the client is closed', call.sent));
  }

  #nextXid(): number {
    this.#xid = (this.#xid + 1) >>> 0;
    return this.#xid;
  }

  #enqueue(call: RpcCall): void {
    if (this.#state === 'closed') {
      call.fail(new RpcFailure('closed', 'the client is closed', call.sent));
      return;
    }
    if (this.#time.now() >= call.deadline) {
      this.#timeOut(call);
      return;
    }
    const connection = this.#queueStart === this.#queue.length ? this.#place() : undefined;
    if (connection === undefined) this.#queue.push(call);
    else this.#send(connection, call);
    this.#sweepSoon();
    if (this.#state === 'idle') void this.#connect();
  }

  #send(connection: RpcConnection, call: RpcCall): void {
    if (connection.calls.size === 0) connection.heard = true;
    connection.send(call);
  }

  /** The connection with the fewest calls; undefined: none has a place. */
  #place(): RpcConnection | undefined {
    if (this.#state !== 'ready') return undefined;
    let best: RpcConnection | undefined;
    for (const connection of this.#connections) {
      if (best === undefined || connection.calls.size < best.calls.size) best = connection;
    }
    return best !== undefined && best.calls.size < this.#window ? best : undefined;
  }

  readonly #pump = (): void => {
    while (this.#queueStart < this.#queue.length) {
      const connection = this.#place();
      if (connection === undefined) return;
      const call = this.#queue[this.#queueStart];
      this.#queueStart += 1;
      if (call !== undefined) this.#send(connection, call);
    }
    this.#takeQueue();
  };

  #takeQueue(): RpcCall[] {
    const rest = this.#queueStart === 0 ? this.#queue : this.#queue.slice(this.#queueStart);
    if (this.#queue.length > 0) this.#queue = [];
    this.#queueStart = 0;
    return rest;
  }

  async #connect(): Promise<void> {
    this.#state = 'connecting';
    const made: RpcConnection[] = [];
    let trouble: Error | undefined;
    const events = {
      ended: (reason: Error): void => {
        trouble ??= reason;
        this.#lost(made, reason);
      },
      answered: (): void => this.#answered(),
    };
    const sockets = await Promise.allSettled(
      Array.from({ length: this.#options.connections }, () => this.#options.connect()),
    );
    for (const result of sockets) {
      if (result.status === 'fulfilled') made.push(new RpcConnection(result.value, events));
      else trouble ??= asError(result.reason);
    }
    if (this.#isClosed() || trouble !== undefined) {
      this.#connections = made;
      this.#drop();
      if (trouble !== undefined) this.#failedToConnect(trouble);
      return;
    }
    this.#everConnected = true;
    this.#connections = made;
    this.#recovering = this.#recover(made);
    await this.#recovering;
  }

  /** A state that changes while we wait is not what the compiler thinks it is. */
  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #failedToConnect(trouble: Error): void {
    if (this.#isClosed()) return;
    this.#trouble = trouble;
    if (this.#options.impatientAtFirst === true && !this.#everConnected) {
      this.#state = 'idle';
      const message = `the server cannot be reached: ${trouble.message}`;
      for (const call of this.#takeQueue()) {
        call.fail(new RpcFailure('timeout', message, false, { cause: trouble }));
      }
      return;
    }
    this.#wait();
  }

  async #recover(connections: RpcConnection[]): Promise<void> {
    if (this.#connections !== connections) return; // lost while what was under way was waited for
    this.#state = 'recovering';
    try {
      await this.#options.recover?.();
    } catch (error) {
      for (const connection of [...connections]) connection.end(asError(error));
      return;
    }
    if (this.#connections !== connections || this.#state !== 'recovering') return;
    this.#state = 'ready';
    this.#trouble = undefined;
    this.#backOff = RECONNECT_FIRST_MS;
    this.#pump();
  }

  /** One connection broke: whatever broke it may have happened to the others, so all are made anew. */
  #lost(connections: RpcConnection[], reason: Error): void {
    if (this.#isClosed() || this.#connections !== connections || connections.length === 0) return;
    this.#trouble = reason;
    this.#window = 1;
    const again: RpcCall[] = [];
    const lost: RpcCall[] = [];
    for (const call of this.#drop()) (call.repeatable ? again : lost).push(call);
    again.sort((a, b) => a.xid - b.xid);
    this.#queue = [...again, ...this.#takeQueue()];
    this.#takeDrained();
    this.#wait();
    this.#options.onLost?.(reason);
    const message = `the connection broke before the answer came: ${reason.message}`;
    for (const call of lost) call.fail(new RpcFailure('lost', message, true, { cause: reason }));
  }

  /** Ends the connections. @returns the calls that they owe an answer */
  #drop(): RpcCall[] {
    const connections = this.#connections;
    this.#connections = [];
    const calls: RpcCall[] = [];
    for (const connection of connections) {
      calls.push(...connection.calls.values());
      connection.calls.clear();
      connection.end(new Error('the connection was given up'));
    }
    return calls;
  }

  #wait(): void {
    this.#state = 'waiting';
    const pause = this.#backOff * (0.5 + this.#options.random() / 2);
    this.#backOff = Math.min(this.#backOff * 2, RECONNECT_MOST_MS);
    this.#cancelWait = this.#time.after(pause, () => {
      if (this.#isClosed()) return;
      void this.#connect();
    });
  }

  #sweepSoon(): void {
    if (this.#cancelSweep !== undefined) return;
    this.#cancelSweep = this.#time.after(SWEEP_MS, this.#sweep);
  }

  readonly #sweep = (): void => {
    this.#cancelSweep = undefined;
    const now = this.#time.now();
    const late: RpcCall[] = [];
    let owed = 0;
    for (const connection of [...this.#connections]) {
      for (const call of connection.calls.values()) if (now >= call.deadline) late.push(call);
      for (const call of late) connection.calls.delete(call.xid);
      this.#watchSilence(connection, now);
      owed += connection.calls.size;
    }
    if (this.#queueStart < this.#queue.length) {
      const waiting = this.#takeQueue();
      for (const call of waiting) (now >= call.deadline ? late : this.#queue).push(call);
    }
    for (const call of late) this.#timeOut(call);
    if (late.length > 0) this.#answered();
    if (owed > 0 || this.#queueStart < this.#queue.length) this.#sweepSoon();
  };

  #watchSilence(connection: RpcConnection, now: number): void {
    if (connection.heard || connection.calls.size === 0) {
      connection.heard = false;
      connection.heardAt = now;
      connection.asked = false;
      return;
    }
    const silent = now - connection.heardAt;
    if (silent >= SILENCE_MS && !connection.asked) {
      connection.asked = true;
      const ping = this.#options.ping();
      ping.deadline = now + SILENCE_MS + SIGN_OF_LIFE_MS;
      ping.xid = this.#nextXid();
      connection.send(ping);
    } else if (silent >= SILENCE_MS + SIGN_OF_LIFE_MS) {
      connection.end(new Error('the server gives no sign of life'));
    }
  }

  #timeOut(call: RpcCall): void {
    const why = this.#trouble === undefined ? '' : ` (${this.#trouble.message})`;
    const message = `no answer within ${this.#options.patience / 1000} s${why}`;
    call.fail(new RpcFailure('timeout', message, call.sent));
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
