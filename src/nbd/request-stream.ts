/**
 * Bytes → requests with their payloads. Owns what is left over between two reads of the socket:
 * a piece of a header, a payload that is still arriving, a payload that is thrown away, or a request
 * that must wait because a limit is reached (then everything behind it waits too: order is kept).
 *
 * The chunk of a read is only lent: what has to stay is copied, a payload once, into a pooled buffer.
 */
import type { BufferPool } from './buffer-pool.ts';
import { NBD_CMD_DISC, NBD_CMD_READ } from './wire/constants.ts';
import {
  COMPACT_REQUEST_SIZE,
  decodeExtendedRequest,
  decodeRequest,
  EXTENDED_REQUEST_SIZE,
  type Request,
} from './wire/index.ts';

export interface RequestConsumer {
  /** 0, or the NBD error to answer with. */
  check(request: Request): number;
  /** Whether a request that will hold `bytes` may start now. */
  admits(bytes: number): boolean;
  execute(request: Request, payload: Buffer | undefined, release: (() => void) | undefined): void;
  /** Called when the payload, if any, has been thrown away. */
  reject(request: Request, error: number): void;
  /** A payload of `bytes` is being put together. */
  collecting(bytes: number): void;
  collected(bytes: number): void;
  /** NBD_CMD_DISC: nothing comes after it. */
  disconnect(): void;
  /** The stream cannot be trusted any more. */
  violation(reason: string): void;
}

interface Collecting {
  readonly request: Request;
  readonly buffer: Buffer;
  filled: number;
}

interface Skipping {
  readonly request: Request;
  readonly error: number;
  left: number;
}

interface Rest {
  readonly chunk: Buffer;
  readonly at: number;
}

export class RequestStream {
  readonly #consumer: RequestConsumer;
  readonly #buffers: BufferPool;
  readonly #decode: typeof decodeRequest;
  readonly #headerSize: number;
  readonly #hostilePayload: number;
  readonly #carry = Buffer.alloc(EXTENDED_REQUEST_SIZE);
  #carried = 0;
  #collecting: Collecting | undefined;
  #skipping: Skipping | undefined;
  #stalled: Request | undefined;
  /** What the stalled request is to be answered with; 0 for one that is to be executed. */
  #stalledError = 0;
  #backlog: Rest[] = [];
  #ended = false;

  /** @param hostilePayload a longer payload than this is a violation */
  constructor(
    consumer: RequestConsumer,
    buffers: BufferPool,
    extended: boolean,
    hostilePayload: number,
  ) {
    this.#consumer = consumer;
    this.#buffers = buffers;
    this.#decode = extended ? decodeExtendedRequest : decodeRequest;
    this.#headerSize = extended ? EXTENDED_REQUEST_SIZE : COMPACT_REQUEST_SIZE;
    this.#hostilePayload = hostilePayload;
  }

  /** A request waits for `admits`: the socket should not be read, `resume` goes on. */
  get stalled(): boolean {
    return this.#stalled !== undefined;
  }

  /** Bytes that the payload being put together still lacks; 0 when there is none. */
  get missing(): number {
    const collecting = this.#collecting;
    return collecting === undefined ? 0 : collecting.request.payloadLength - collecting.filled;
  }

  /** @param chunk used during the call only */
  push(chunk: Buffer): void {
    if (this.#ended) return;
    const at = this.#stalled === undefined ? this.#run(chunk, 0) : 0;
    if (this.#stalled !== undefined)
      this.#backlog.push({ chunk: Buffer.from(chunk.subarray(at)), at: 0 });
  }

  /** Goes on where a limit stopped it; returns whether everything read so far is done. */
  resume(): boolean {
    while (!this.#ended) {
      const request = this.#stalled;
      const error = this.#stalledError;
      if (request !== undefined && !this.#admits(request, error)) return false;
      const rest = this.#backlog.shift();
      if (rest === undefined) return true;
      this.#stalled = undefined;
      const start =
        request === undefined ? rest.at : this.#dispatch(request, error, rest.chunk, rest.at);
      const at = this.#run(rest.chunk, start);
      if (this.#stalled !== undefined) this.#backlog.unshift({ chunk: rest.chunk, at });
    }
    return true;
  }

  /** Nothing more is handed on: gives back what it holds. Idempotent. */
  close(): void {
    this.#ended = true;
    this.#stalled = undefined;
    this.#backlog = [];
    const collecting = this.#collecting;
    if (collecting === undefined) return;
    this.#collecting = undefined;
    this.#buffers.give(collecting.buffer);
    this.#consumer.collected(collecting.request.payloadLength);
  }

  /** Returns how far the chunk is used up: wholly, unless a limit or the end of it all stopped it. */
  #run(chunk: Buffer, start: number): number {
    let at = start;
    while (at < chunk.length && !this.#ended && this.#stalled === undefined) {
      if (this.#collecting !== undefined) at = this.#collect(this.#collecting, chunk, at);
      else if (this.#skipping !== undefined) at = this.#skip(this.#skipping, chunk, at);
      else at = this.#header(chunk, at);
    }
    return at;
  }

  #header(chunk: Buffer, start: number): number {
    let at = start;
    let source = chunk;
    if (this.#carried > 0) {
      const wanted = this.#headerSize - this.#carried;
      const copied = chunk.copy(this.#carry, this.#carried, at, at + wanted);
      this.#carried += copied;
      at += copied;
      if (this.#carried < this.#headerSize) return at;
      source = this.#carry;
    }
    const decoded =
      source === chunk
        ? this.#decode(chunk, at, chunk.length)
        : this.#decode(source, 0, this.#headerSize);
    switch (decoded.kind) {
      case 'need-more':
        this.#carried = chunk.copy(this.#carry, 0, at);
        return chunk.length;
      case 'violation':
        this.#ended = true;
        this.#consumer.violation(decoded.violation);
        return at;
      case 'request':
        if (source === chunk) at += decoded.size;
        this.#carried = 0;
        return this.#begin(decoded, chunk, at);
    }
  }

  /** A whole header is there; returns how far the chunk is used up. */
  #begin(request: Request, chunk: Buffer, at: number): number {
    if (request.type === NBD_CMD_DISC) {
      this.#ended = true;
      this.#consumer.disconnect();
      return at;
    }
    if (request.payloadLength > this.#hostilePayload) {
      this.#ended = true;
      this.#consumer.violation('payload-length');
      return at;
    }
    const error = this.#consumer.check(request);
    if (!this.#admits(request, error)) {
      this.#stalled = request;
      this.#stalledError = error;
      return at;
    }
    return this.#dispatch(request, error, chunk, at);
  }

  /** One that is refused holds nothing, but its client has to take the reply like any other. */
  #admits(request: Request, error: number): boolean {
    return this.#consumer.admits(error === 0 ? bytesHeld(request) : 0);
  }

  #dispatch(request: Request, error: number, chunk: Buffer, at: number): number {
    const { payloadLength } = request;
    if (error !== 0) {
      if (payloadLength === 0) this.#consumer.reject(request, error);
      else this.#skipping = { request, error, left: payloadLength };
      return at;
    }
    if (payloadLength === 0) {
      this.#consumer.execute(request, undefined, undefined);
      return at;
    }
    const buffer = this.#buffers.take(payloadLength);
    const filled = chunk.copy(buffer, 0, at, at + payloadLength);
    if (filled === payloadLength) this.#execute(request, buffer);
    else {
      this.#collecting = { request, buffer, filled };
      this.#consumer.collecting(payloadLength);
    }
    return at + filled;
  }

  #collect(collecting: Collecting, chunk: Buffer, at: number): number {
    const { request, buffer } = collecting;
    const wanted = request.payloadLength - collecting.filled;
    const copied = chunk.copy(buffer, collecting.filled, at, at + wanted);
    collecting.filled += copied;
    if (collecting.filled < request.payloadLength) return at + copied;
    this.#collecting = undefined;
    this.#consumer.collected(request.payloadLength);
    this.#execute(request, buffer);
    return at + copied;
  }

  #execute(request: Request, buffer: Buffer): void {
    const length = request.payloadLength;
    // Most payloads are as long as a buffer is; a view costs as much as the copy of a short one.
    const payload = length === buffer.length ? buffer : buffer.subarray(0, length);
    this.#consumer.execute(request, payload, () => this.#buffers.give(buffer));
  }

  #skip(skipping: Skipping, chunk: Buffer, at: number): number {
    const skipped = Math.min(skipping.left, chunk.length - at);
    skipping.left -= skipped;
    if (skipping.left === 0) {
      this.#skipping = undefined;
      this.#consumer.reject(skipping.request, skipping.error);
    }
    return at + skipped;
  }
}

/** What a request will keep in memory until it is answered, headers aside. */
export function bytesHeld(request: Request): number {
  return request.type === NBD_CMD_READ ? request.length : request.payloadLength;
}
