import type { Duplex } from 'node:stream';
import type { NeedMore, Violation } from '../../base/index.ts';
import { Fault } from '../../errors/index.ts';
import { NbdViolation, type ServerViolation } from './violation.ts';

/** Bytes of the handshake, decoded one message at a time. Transmission has its own reader. */
export class Inbox {
  readonly #stream: Duplex;
  #bytes: Buffer = Buffer.alloc(0);
  #ended: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', this.#onData);
    stream.on('end', this.#onEnd);
    stream.on('close', this.#onEnd);
    stream.on('error', this.#onError);
  }

  readonly #onData = (bytes: Buffer): void => {
    // Always a copy: what a socket with a buffer of its own gives is valid during the event only.
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    this.#wake?.();
  };

  readonly #onEnd = (): void => {
    this.fail(new Fault('UNAVAILABLE', 'the NBD server closed the connection in the handshake'));
  };

  readonly #onError = (error: Error): void => {
    const cause = { cause: error };
    this.fail(new Fault('UNAVAILABLE', `the NBD connection failed: ${error.message}`, {}, cause));
  };

  /** Ends every wait, now and later, with `error`. The first reason stands. */
  fail(error: Error): void {
    this.#ended ??= error;
    this.#wake?.();
  }

  /** @throws NbdViolation, or the reason given to `fail` */
  async next<Message extends { readonly kind: string; readonly size: number }>(
    decode: (
      source: Buffer,
      start: number,
      end: number,
    ) => Message | NeedMore | Violation<ServerViolation>,
  ): Promise<Message> {
    for (;;) {
      const message = decode(this.#bytes, 0, this.#bytes.length);
      if (isViolation(message)) throw new NbdViolation(message.violation);
      if (!isNeedMore(message)) {
        this.#bytes = this.#bytes.subarray(message.size);
        return message;
      }
      if (this.#ended !== undefined) throw this.#ended;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  /** Stops listening; what arrived and was not decoded yet is returned. */
  detach(): Buffer {
    this.#stream.off('data', this.#onData);
    this.#stream.off('end', this.#onEnd);
    this.#stream.off('close', this.#onEnd);
    this.#stream.off('error', this.#onError);
    if (this.#ended !== undefined) throw this.#ended;
    return this.#bytes;
  }
}

function isViolation(message: { readonly kind: string }): message is Violation<ServerViolation> {
  return message.kind === 'violation';
}

function isNeedMore(message: { readonly kind: string }): message is NeedMore {
  return message.kind === 'need-more';
}
