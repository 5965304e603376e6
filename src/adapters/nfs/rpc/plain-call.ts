/** A call that is not on the data path: its arguments are bytes, its results a value. */
import { PLAIN_REPLY_BYTES } from '../limits.ts';
import { MARK_BYTES, sealCall } from '../wire/rpc-message.ts';
import type { XdrReader } from '../wire/xdr.ts';
import { RpcCall } from './call.ts';
import type { RpcFailure } from './failure.ts';

/** @returns undefined when the results make no sense */
export type Decode<T> = (reader: XdrReader) => T | undefined;

export class PlainCall<T> extends RpcCall {
  readonly answer: Promise<T>;
  readonly #template: Buffer;
  readonly #arguments: Buffer;
  readonly #decode: Decode<T>;
  #value: T | undefined;
  #resolve: (value: T) => void = () => undefined;
  #reject: (failure: RpcFailure) => void = () => undefined;

  constructor(template: Buffer, args: Buffer, decode: Decode<T>, repeatable: boolean) {
    super(repeatable);
    this.#template = template;
    this.#arguments = args;
    this.#decode = decode;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.answer.catch(() => undefined); // whoever asked looks at it; a ping has nobody
  }

  override get frameBytes(): number {
    return this.#template.length + this.#arguments.length;
  }

  override get replyBytes(): number {
    return PLAIN_REPLY_BYTES;
  }

  override encode(target: Buffer, at: number): number {
    this.#template.copy(target, at);
    this.#arguments.copy(target, at + this.#template.length);
    const end = at + this.frameBytes;
    sealCall(target, at, end - at - MARK_BYTES, this.xid);
    return end;
  }

  override results(reader: XdrReader): number {
    this.#value = this.#decode(reader);
    return this.#value === undefined ? -1 : 0;
  }

  override done(): void {
    if (this.#value !== undefined) this.#resolve(this.#value);
  }

  override fail(failure: RpcFailure): void {
    this.#reject(failure);
  }
}
