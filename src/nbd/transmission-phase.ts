/**
 * The transmission phase of one connection: joins the stream of requests, their execution, the
 * batch of replies and the limits. A read event runs through here as
 *
 *   data → RequestStream → rules → Transmission → device → Replies → ReplyBatch → one write
 *
 * and stops early when `Flow` finds that the connection holds too much, or its machine has had its turn
 * (machine-turn.ts); it goes on when the device has finished something, the client has taken
 * something, others have given back, or the others were heard.
 */
import type { Duplex } from 'node:stream';
import { isPromise } from '../base/index.ts';
import { WriteBatch } from '../block/index.ts';
import type { Counters } from './counters.ts';
import { Depth } from './depth.ts';
import { FailureLog } from './failure.ts';
import { Flow } from './flow.ts';
import type { Entered } from './handshake-session.ts';
import { WATCHED_PAYLOAD } from './limits.ts';
import type { MachineTurn } from './machine-turn.ts';
import { Replies } from './replies.ts';
import { ReplyBatch } from './reply-batch.ts';
import { bytesHeld, type RequestConsumer, RequestStream } from './request-stream.ts';
import { checkRequest, type RequestRules, requestRules } from './rules.ts';
import type { Shared } from './shared.ts';
import { Transmission } from './transmission.ts';
import type { Request } from './wire/index.ts';

/** What the phase needs from its connection. */
export interface TransmissionPort {
  readonly socket: Duplex;
  /** Start or stop reading the socket. */
  read(on: boolean): void;
  /** End the connection once everything is sent. */
  end(reason: string): void;
  drop(reason: string): void;
}

export class TransmissionPhase implements RequestConsumer {
  readonly #shared: Shared;
  readonly #port: TransmissionPort;
  readonly #rules: RequestRules;
  readonly #flow: Flow;
  readonly #exportName: string;
  readonly #turn: MachineTurn;
  readonly #batch: ReplyBatch;
  readonly #writes = new WriteBatch();
  readonly #transmission: Transmission;
  readonly #stream: RequestStream;
  readonly #wake = (): void => this.#resume();
  readonly #wakeNext = (): void => {
    this.#waking = false;
    this.#resume();
  };
  /** `#wakeNext` runs in the next round of the event loop. */
  #waking = false;
  /** The writes of the last event wait for their device: no reply leaves. */
  #committing = false;
  /** The last refusal of `admits` was because the machine has had its turn. */
  #turnOver = false;
  /** Requests and bytes of the read event that is being handled. */
  #eventRequests = 0;
  #eventBytes = 0;
  readonly #depth = new Depth();
  /** Why the connection ends as soon as everything is answered; undefined while it lives on. */
  #leaving: string | undefined;
  #flushing: NodeJS.Immediate | undefined;
  #cancelWatch: (() => void) | undefined;
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(
    shared: Shared,
    port: TransmissionPort,
    entered: Entered,
    counters: Counters,
    logContext: object,
  ) {
    this.#shared = shared;
    this.#port = port;
    const { limits } = shared;
    const { geometry } = entered.opened.device;
    const { style } = entered.negotiated;
    this.#rules = requestRules({
      style,
      flags: entered.flags,
      size: geometry.size,
      minimumIo: geometry.minimumIo,
      blockStatus: entered.contextIds.length > 0,
      payload: limits.payload,
      advertisedPayload: limits.advertisedPayload,
    });
    this.#flow = new Flow(limits, shared.budget);
    this.#exportName = entered.opened.name;
    this.#turn = shared.turns.join(this.#exportName);
    this.#batch = new ReplyBatch(shared.slabs, port.socket, (bytes) => this.#onSent(bytes));
    this.#transmission = new Transmission({
      device: entered.opened.device,
      contexts: entered.opened.contexts ?? [],
      contextIds: entered.contextIds,
      rules: this.#rules,
      extents: limits.extents,
      writes: this.#writes,
      replies: new Replies(style, this.#batch),
      batch: this.#batch,
      buffers: shared.buffers,
      counters,
      failures: new FailureLog(shared.log, logContext),
      onWaiting: (bytes) => this.#onWaiting(bytes),
      onSettled: (bytes) => this.#onSettled(bytes),
    });
    const extended = style === 'extended';
    this.#stream = new RequestStream(this, shared.buffers, extended, this.#rules.hostilePayload);
  }

  get inFlight(): number {
    return this.#transmission.inFlight;
  }

  /** Replies that the client has not taken, in bytes. */
  get unsent(): number {
    return this.#flow.unsent;
  }

  data(chunk: Buffer): void {
    this.#eventRequests = 0;
    this.#eventBytes = 0;
    this.#stream.push(chunk);
    this.#afterRequests();
    const requests = this.#eventRequests;
    const { coalescer, busyPoll } = this.#shared;
    this.#depth.event(requests, coalescer?.napped === true);
    coalescer?.event(this.#depth.mayBeDeep, requests, this.#eventBytes);
    if (!this.#depth.isDeep) busyPoll?.answered();
  }

  /**
   * Answers what has been accepted, then ends. What comes after, or has begun to come, is not answered: NBD_ESHUTDOWN
   * would be an I/O error of the disk to a client that connects again by itself, and so sends it again.
   */
  drain(reason: string): void {
    this.#stream.close();
    this.#leave(reason);
  }

  /** The client will send nothing more. What it has sent is still answered. */
  leave(reason: string): void {
    this.#leave(reason);
  }

  /** The socket is gone. Resolves when the device works on nothing of ours any more. */
  close(): Promise<void> {
    this.#closed = true;
    this.#shared.turns.leave(this.#exportName);
    this.#cancelWatch?.();
    this.#shared.budget.forget(this.#wake);
    this.#stream.close();
    this.#flush();
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  check(request: Request): number {
    return checkRequest(this.#rules, request);
  }

  admits(bytes: number): boolean {
    this.#turnOver = !this.#turn.admits(bytes);
    if (this.#turnOver) return false;
    return this.#flow.admits(bytes, this.#batch.bytes, this.#transmission.inFlight);
  }

  execute(request: Request, payload: Buffer | undefined, release: (() => void) | undefined): void {
    const bytes = bytesHeld(request);
    this.#eventRequests += 1;
    this.#eventBytes += bytes;
    this.#turn.start(bytes);
    this.#transmission.execute(request, payload, release);
  }

  reject(request: Request, error: number): void {
    this.#turn.start(0);
    this.#transmission.reject(request, error, 'invalid request');
  }

  collecting(bytes: number): void {
    this.#flow.take(bytes);
    if (bytes >= WATCHED_PAYLOAD) this.#watch(this.#stream.missing);
  }

  collected(bytes: number): void {
    this.#flow.give(bytes);
    this.#cancelWatch?.();
    this.#cancelWatch = undefined;
  }

  disconnect(): void {
    this.#leave('the client disconnected');
  }

  violation(reason: string): void {
    // What has been executed is answered first: the client may be a buggy one with data to lose.
    this.#flush();
    this.#port.drop(`protocol violation: ${reason}`);
  }

  get #isIdle(): boolean {
    return this.inFlight === 0 && !this.#committing;
  }

  #afterRequests(): void {
    const batched = this.#batch.bytes;
    const waiting = this.#flush();
    if (this.#committing) {
      this.#port.read(false);
      return;
    }
    if (this.#stream.stalled) this.#stall(waiting < batched);
    if (this.#leaving !== undefined) this.#leaveIfIdle();
  }

  /** Finishes the writes of the event, at once as a rule. */
  #commit(): void {
    const failed = (): void => this.#port.drop('writes could not be finished');
    try {
      const committed = this.#writes.commit();
      if (!isPromise(committed)) return;
      this.#committing = true;
      committed.catch(failed).finally(() => this.#committed());
    } catch {
      // Replies that say "done" are in the batch already; without them the client knows nothing.
      failed();
    }
  }

  #committed(): void {
    this.#committing = false;
    if (this.#closed) {
      this.#afterClose();
      return;
    }
    this.#afterRequests();
    if (!this.#stream.stalled && !this.#committing) this.#port.read(true);
  }

  /** Sends the replies. @returns the bytes that the client has yet to take */
  #flush(): number {
    if (!this.#committing) this.#commit();
    if (this.#committing) return 0;
    if (this.#flushing !== undefined) {
      clearImmediate(this.#flushing);
      this.#flushing = undefined;
    }
    const bytes = this.#batch.flush();
    if (bytes > 0) this.#flow.sending(bytes);
    return bytes;
  }

  /** @param progress something left at once: nobody will tell us, so look again ourselves */
  #stall(progress: boolean): void {
    this.#port.read(false);
    if (this.#flow.blockedByTotal) this.#shared.budget.wait(this.#wake);
    if (this.#waking || !(this.#turnOver || progress)) return;
    this.#waking = true;
    setImmediate(this.#wakeNext);
  }

  #resume(): void {
    if (this.#closed || this.#committing || !this.#stream.stalled) return;
    const done = this.#stream.resume();
    this.#afterRequests();
    if (done && !this.#stream.stalled && !this.#committing) this.#port.read(true);
  }

  /** The replies go nowhere, but what they were lent goes back. */
  #afterClose(): void {
    this.#flush();
    if (this.#isIdle) this.#onIdle?.();
  }

  #onSent(bytes: number): void {
    this.#flow.sent(bytes);
    if (this.#stream.stalled) this.#resume();
    else if (this.#leaving !== undefined) this.#leaveIfIdle();
  }

  #onWaiting(bytes: number): void {
    this.#flow.take(bytes);
    this.#shared.coalescer?.waiting(1);
  }

  #onSettled(bytes: number): void {
    this.#flow.give(bytes);
    this.#shared.coalescer?.waiting(-1);
    if (this.#closed) {
      this.#afterClose();
      return;
    }
    // Completions come in flocks, each in its own callback: those of one turn of the event loop
    // leave together. The last one has nothing to wait for.
    if (this.inFlight === 0) this.#flush();
    else this.#flushing ??= setImmediate(() => this.#flush());
    // One that will look again anyway waits for that: else each of them would leave by itself.
    if (this.#stream.stalled && !this.#waking) this.#resume();
    if (this.#leaving !== undefined) this.#leaveIfIdle();
  }

  #leave(reason: string): void {
    this.#leaving ??= reason;
    this.#leaveIfIdle();
  }

  #leaveIfIdle(): void {
    if (this.#leaving === undefined || !this.#isIdle) return;
    if (this.#stream.stalled) return;
    this.#flush();
    // Writes of this very event may have to wait for their device: `#committed` comes here again.
    if (!this.#committing) this.#port.end(this.#leaving);
  }

  /** A client that holds memory of ours for a payload it never sends is closed. */
  #watch(missing: number): void {
    this.#cancelWatch = this.#shared.timers.after(this.#shared.limits.payloadStallMs, () => {
      const now = this.#stream.missing;
      if (now === missing && now > 0) this.#port.drop('a payload stopped arriving');
      else this.#watch(now);
    });
  }
}
