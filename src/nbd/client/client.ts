/**
 * The NBD client: one connection in transmission. Many requests may run at once; each is a promise.
 *
 * A request that the server refuses fails alone, with the errno of the wire. A server that breaks the
 * protocol ends the connection: every request in flight and every later one fails with EIO, whose
 * cause is the NbdViolation. There is no reconnecting and no timeout per request here: who needs
 * either puts a device around this one.
 */
import type { Socket } from 'node:net';
import { BlockError, type BlockOperation } from '../../errors/index.ts';
import {
  NBD_CMD_BLOCK_STATUS,
  NBD_CMD_CACHE,
  NBD_CMD_FLAG_DF,
  NBD_CMD_FLAG_FAST_ZERO,
  NBD_CMD_FLAG_FUA,
  NBD_CMD_FLAG_NO_HOLE,
  NBD_CMD_FLAG_PAYLOAD_LEN,
  NBD_CMD_FLAG_REQ_ONE,
  NBD_CMD_FLUSH,
  NBD_CMD_READ,
  NBD_CMD_TRIM,
  NBD_CMD_WRITE,
  NBD_CMD_WRITE_ZEROES,
  NBD_FLAG_BLOCK_STATUS_PAYLOAD,
  NBD_FLAG_READ_ONLY,
  NBD_FLAG_SEND_CACHE,
  NBD_FLAG_SEND_DF,
  NBD_FLAG_SEND_FAST_ZERO,
  NBD_FLAG_SEND_FLUSH,
  NBD_FLAG_SEND_FUA,
  NBD_FLAG_SEND_TRIM,
  NBD_FLAG_SEND_WRITE_ZEROES,
} from '../wire/constants.ts';
import { encodeBlockStatusPayload } from '../wire/index.ts';
import { MAX_REPLY_PAYLOAD, REPLY_CHUNK_OVERHEAD } from '../wire/limits.ts';
import type { Negotiated } from './handshake.ts';
import { DISCONNECT_MS } from './limits.ts';
import type { ResolvedOptions } from './options.ts';
import { type BlockStatus, type Command, Pending } from './pending.ts';
import { ReplyReader } from './reply-reader.ts';
import { RequestSender } from './request-sender.ts';
import { Slots } from './slots.ts';
import { NbdViolation, type ServerViolation } from './violation.ts';

const MAX_COMPACT_LENGTH = 2 ** 32 - 1;

const NOTHING = { target: undefined, payload: undefined, contexts: undefined } as const;

export class NbdClient {
  readonly negotiated: Negotiated;
  readonly #socket: Socket;
  readonly #options: ResolvedOptions;
  readonly #slots: Slots;
  readonly #reader: ReplyReader;
  readonly #queue: Pending[] = [];
  #queueStart = 0;
  readonly #sender: RequestSender;
  #ended: Error | undefined;
  #disconnecting: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  /** Use `connectNbd`. @param rest bytes of the transmission phase that have arrived already */
  constructor(socket: Socket, rest: Buffer, negotiated: Negotiated, options: ResolvedOptions) {
    this.#socket = socket;
    this.negotiated = negotiated;
    this.#options = options;
    this.#slots = new Slots(options.requestsInFlight);
    this.#sender = new RequestSender(socket, negotiated.style === 'extended');
    this.#reader = new ReplyReader(negotiated.style, {
      find: (cookieHigh, cookieLow) => this.#slots.find(cookieHigh, cookieLow),
      finished: (pending, cookieLow) => this.#finished(pending, cookieLow),
    });
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('drain', () => this.#startWaiting());
    socket.on('error', (error) => this.#end(error));
    socket.on('end', () => this.#end(new Error('the NBD server closed the connection')));
    socket.on('close', () => this.#end(new Error('the NBD connection is closed')));
    if (rest.length > 0) this.#receive(rest);
  }

  /** Whether all of these transmission flags are set. */
  has(flags: number): boolean {
    return (this.negotiated.flags & flags) === flags;
  }

  /** Why the connection ended; undefined while it stands. */
  get ended(): Error | undefined {
    return this.#ended;
  }

  /** @param target filled completely. `dontFragment` asks for one chunk (at most 64 KiB is certain). */
  read(target: Buffer, offset: number, options?: { dontFragment?: boolean }): Promise<void> {
    try {
      let flags = 0;
      if (options?.dontFragment === true) {
        this.#require(NBD_FLAG_SEND_DF, 'read', offset, target.length);
        flags = NBD_CMD_FLAG_DF;
      }
      const { length } = target;
      this.#checkRange('read', offset, length, true);
      if (length === 0) return Promise.resolve();
      const type = NBD_CMD_READ;
      return this.#perform({
        operation: 'read',
        type,
        flags,
        offset,
        length,
        target,
        payload: undefined,
        contexts: undefined,
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @param source must not change until the promise has settled */
  write(source: Buffer, offset: number, options?: { fua?: boolean }): Promise<void> {
    try {
      const { length } = source;
      this.#checkWritable('write', offset, length);
      const flags = this.#fua(options?.fua, 'write', offset, length);
      this.#checkRange('write', offset, length, true);
      if (length === 0) return Promise.resolve();
      const type = NBD_CMD_WRITE;
      return this.#perform({
        operation: 'write',
        type,
        flags,
        offset,
        length,
        target: undefined,
        payload: source,
        contexts: undefined,
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  flush(): Promise<void> {
    try {
      this.#require(NBD_FLAG_SEND_FLUSH, 'flush', 0, 0);
      const type = NBD_CMD_FLUSH;
      return this.#perform({
        operation: 'flush',
        type,
        flags: 0,
        offset: 0,
        length: 0,
        ...NOTHING,
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** `length` below 2^32 without extended headers. */
  async trim(offset: number, length: number, options?: { fua?: boolean }): Promise<void> {
    this.#require(NBD_FLAG_SEND_TRIM, 'trim', offset, length);
    this.#checkWritable('trim', offset, length);
    const flags = this.#fua(options?.fua, 'trim', offset, length);
    await this.#effect('trim', NBD_CMD_TRIM, flags, offset, length);
  }

  /** `length` below 2^32 without extended headers. */
  async zero(
    offset: number,
    length: number,
    options?: { fua?: boolean; noHole?: boolean; fast?: boolean },
  ): Promise<void> {
    this.#require(NBD_FLAG_SEND_WRITE_ZEROES, 'zero', offset, length);
    this.#checkWritable('zero', offset, length);
    let flags = this.#fua(options?.fua, 'zero', offset, length);
    if (options?.noHole === true) flags |= NBD_CMD_FLAG_NO_HOLE;
    if (options?.fast === true) {
      this.#require(NBD_FLAG_SEND_FAST_ZERO, 'zero', offset, length);
      flags |= NBD_CMD_FLAG_FAST_ZERO;
    }
    await this.#effect('zero', NBD_CMD_WRITE_ZEROES, flags, offset, length);
  }

  async cache(offset: number, length: number): Promise<void> {
    this.#require(NBD_FLAG_SEND_CACHE, 'cache', offset, length);
    await this.#effect('cache', NBD_CMD_CACHE, 0, offset, length);
  }

  /**
   * Extents from `offset` on, by context id (`negotiated.contexts` has the names). May cover less or,
   * without `one`, more than `length`.
   */
  async blockStatus(
    offset: number,
    length: number,
    options?: { one?: boolean; contexts?: readonly number[] },
  ): Promise<BlockStatus> {
    const selected = [...this.negotiated.contexts.keys()];
    const contexts = options?.contexts ?? selected;
    if (contexts.length === 0 || !contexts.every((id) => selected.includes(id))) {
      throw new BlockError('EINVAL', 'extents', offset, length, 'no such metadata context');
    }
    this.#checkRange('extents', offset, length, false);
    let flags = options?.one === true ? NBD_CMD_FLAG_REQ_ONE : 0;
    let payload: Buffer | undefined;
    if (contexts.length < selected.length) {
      this.#require(NBD_FLAG_BLOCK_STATUS_PAYLOAD, 'extents', offset, length);
      flags |= NBD_CMD_FLAG_PAYLOAD_LEN;
      payload = encodeBlockStatusPayload(length, contexts);
    }
    const command = { type: NBD_CMD_BLOCK_STATUS, flags, offset, length };
    const operation = 'extents';
    const status = await this.#submit({ operation, ...command, ...NOTHING, payload, contexts });
    return status ?? new Map();
  }

  /**
   * A soft disconnect: waits for the requests in flight, says DISC, and waits for the server to close.
   * Later requests fail with ESHUTDOWN. Idempotent.
   */
  disconnect(): Promise<void> {
    this.#disconnecting ??= this.#disconnect();
    return this.#disconnecting;
  }

  async #disconnect(): Promise<void> {
    if (this.#ended === undefined && this.#busy()) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    if (this.#socket.destroyed) return;
    const closed = new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
    });
    const cancel = this.#options.timers.after(DISCONNECT_MS, () => this.#socket.destroy());
    if (this.#ended === undefined) {
      this.#sender.end();
    } else this.#socket.destroy();
    await closed;
    cancel();
  }

  /** A hard disconnect: what is in flight fails with EIO. */
  destroy(): void {
    this.#end(new Error('the NBD connection was destroyed'));
  }

  #busy(): boolean {
    return this.#slots.used > 0 || this.#queueStart < this.#queue.length;
  }

  #effect(
    operation: BlockOperation,
    type: number,
    flags: number,
    offset: number,
    length: number,
  ): Promise<unknown> | undefined {
    this.#checkRange(operation, offset, length, false);
    if (length === 0) return undefined;
    return this.#submit({ operation, type, flags, offset, length, ...NOTHING });
  }

  #require(flag: number, operation: BlockOperation, offset: number, length: number): void {
    if (this.has(flag)) return;
    throw new BlockError('ENOTSUP', operation, offset, length, 'the server does not offer it');
  }

  #checkWritable(operation: BlockOperation, offset: number, length: number): void {
    if (!this.has(NBD_FLAG_READ_ONLY)) return;
    throw new BlockError('EROFS', operation, offset, length, 'the export is read-only');
  }

  #fua(
    fua: boolean | undefined,
    operation: BlockOperation,
    offset: number,
    length: number,
  ): number {
    if (fua !== true) return 0;
    this.#require(NBD_FLAG_SEND_FUA, operation, offset, length);
    return NBD_CMD_FLAG_FUA;
  }

  /** What the document forbids a client to send is not sent. */
  #checkRange(operation: BlockOperation, offset: number, length: number, payload: boolean): void {
    const { size, sizes, style } = this.negotiated;
    const problem = (errno: 'EINVAL' | 'ENOSPC' | 'EOVERFLOW', detail: string) =>
      new BlockError(errno, operation, offset, length, detail);
    if (
      !Number.isSafeInteger(offset) ||
      offset < 0 ||
      !Number.isSafeInteger(length) ||
      length < 0
    ) {
      throw problem('EINVAL', 'not a range');
    }
    if (offset + length > size) {
      const grows = operation === 'write' || operation === 'zero';
      throw problem(grows ? 'ENOSPC' : 'EINVAL', 'beyond the end of the export');
    }
    if (offset % sizes.minimum !== 0 || length % sizes.minimum !== 0) {
      throw problem('EINVAL', `not aligned to ${sizes.minimum} bytes`);
    }
    const most = Math.min(sizes.maximumPayload, MAX_REPLY_PAYLOAD - REPLY_CHUNK_OVERHEAD);
    if (payload && length > most)
      throw problem('EOVERFLOW', `more than the maximum of ${most} bytes`);
    if (style !== 'extended' && length > MAX_COMPACT_LENGTH) {
      throw problem('EOVERFLOW', 'more than 32 bits without extended headers');
    }
  }

  /** A request that answers with nothing but its success. */
  #perform(command: Command): Promise<void> {
    return this.#submit(command) as Promise<undefined>;
  }

  #submit(command: Command): Promise<BlockStatus | undefined> {
    const { operation, offset, length } = command;
    if (this.#disconnecting !== undefined) {
      throw new BlockError('ESHUTDOWN', operation, offset, length, 'the client is disconnecting');
    }
    if (this.#ended !== undefined) throw this.#lost(command, this.#ended);
    return new Promise((resolve, reject) => {
      const pending = new Pending(command, resolve, reject);
      if (this.#queueStart < this.#queue.length || this.#full()) this.#queue.push(pending);
      else this.#start(pending);
    });
  }

  #full(): boolean {
    const unsent = this.#socket.writableLength + this.#sender.bytes;
    return this.#slots.free === 0 || unsent > this.#options.unsentBytes;
  }

  #startWaiting(): void {
    while (this.#queueStart < this.#queue.length && !this.#full()) {
      const pending = this.#queue[this.#queueStart];
      this.#queueStart += 1;
      if (pending !== undefined) this.#start(pending);
    }
    if (this.#queueStart > 0 && this.#queueStart * 2 >= this.#queue.length) {
      this.#queue.splice(0, this.#queueStart);
      this.#queueStart = 0;
    }
  }

  #start(pending: Pending): void {
    const { cookieHigh, cookieLow } = this.#slots.take(pending);
    this.#sender.send(pending, cookieHigh, cookieLow);
  }

  #receive(bytes: Buffer): void {
    if (this.#ended !== undefined) return;
    const violation = this.#reader.push(bytes);
    if (violation !== undefined) this.#end(new NbdViolation(violation));
    else this.#startWaiting();
  }

  #finished(pending: Pending, cookieLow: number): ServerViolation | undefined {
    const violation = pending.finish();
    if (violation !== undefined) return violation;
    this.#slots.release(cookieLow);
    // "If the client receives an NBD_ESHUTDOWN error it MUST initiate a soft disconnect."
    if (pending.error?.errno === 'ESHUTDOWN') void this.disconnect();
    if (this.#idle !== undefined && !this.#busy()) this.#idle();
    return undefined;
  }

  #end(reason: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#socket.destroy();
    const waiting = this.#queue.splice(0).slice(this.#queueStart);
    this.#queueStart = 0;
    for (const pending of [...this.#slots.clear(), ...waiting]) {
      pending.abandon(this.#lost(pending.command, reason));
    }
    this.#idle?.();
  }

  #lost({ operation, offset, length }: Command, reason: Error): BlockError {
    return new BlockError('EIO', operation, offset, length, reason.message, { cause: reason });
  }
}
