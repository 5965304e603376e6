/**
 * Replies out of the bytes of a connection (record marking, RFC 5531, section 11).
 *
 * A reply that is whole in what one read brought is decoded where it is. Of one that is not, the head is gathered; the
 * data of a READ goes to its target piece by piece, so that it is copied once however it is cut.
 */
import { READ_HEAD_BYTES, RECORD_BYTES } from '../wire/limits.ts';
import { LAST_FRAGMENT, MARK_BYTES, type Refusal, readReplyHeader } from '../wire/rpc-message.ts';
import { XdrReader } from '../wire/xdr.ts';
import type { RpcCall } from './call.ts';

export interface ReplyHandler {
  /** undefined: nobody waits for it (any more). */
  find(xid: number): RpcCall | undefined;
  answered(call: RpcCall): void;
  refused(call: RpcCall, refusal: Refusal | 'malformed'): void;
}

const XID_BYTES = 4;

export class ReplyReader {
  readonly #handler: ReplyHandler;
  readonly #reader = new XdrReader(Buffer.alloc(0), 0, 0);
  #mark = 0;
  #markBytes = 0;
  #fragmentLeft = 0;
  #inFragment = false;
  #last = false;
  /** Of the record: bytes so far. */
  #taken = 0;
  #head = Buffer.allocUnsafe(READ_HEAD_BYTES);
  #headBytes = 0;
  #call: RpcCall | undefined;
  #skip = false;
  /** Data of a READ on its way to its target. */
  #data: Buffer | undefined;
  #dataAt = 0;
  #dataLeft = 0;

  constructor(handler: ReplyHandler) {
    this.#handler = handler;
  }

  /** @returns what the server did wrong: the connection is of no more use */
  push(chunk: Buffer): string | undefined {
    for (let at = 0; at < chunk.length; ) {
      if (!this.#inFragment) {
        const left = chunk.length - at;
        if (this.#markBytes === 0 && this.#taken === 0 && left >= MARK_BYTES) {
          const mark = chunk.readUInt32BE(at);
          const length = mark - LAST_FRAGMENT;
          if (length >= 0 && length <= left - MARK_BYTES) {
            at += MARK_BYTES;
            this.#whole(chunk, at, at + length);
            at += length;
            continue;
          }
        }
        const byte = chunk[at] ?? 0;
        at += 1;
        const violation = this.#takeMark(byte);
        if (violation !== undefined) return violation;
        continue;
      }
      const count = Math.min(this.#fragmentLeft, chunk.length - at);
      this.#body(chunk, at, at + count);
      at += count;
      this.#fragmentLeft -= count;
      if (this.#fragmentLeft === 0) this.#endFragment();
    }
    return undefined;
  }

  #takeMark(byte: number): string | undefined {
    this.#mark = ((this.#mark << 8) | byte) >>> 0;
    this.#markBytes += 1;
    if (this.#markBytes < MARK_BYTES) return undefined;
    this.#markBytes = 0;
    this.#last = this.#mark >= LAST_FRAGMENT;
    this.#fragmentLeft = this.#mark % LAST_FRAGMENT;
    this.#mark = 0;
    if (this.#taken + this.#fragmentLeft > RECORD_BYTES) {
      return `a record of more than ${RECORD_BYTES} bytes`;
    }
    this.#inFragment = true;
    if (this.#fragmentLeft === 0) this.#endFragment();
    return undefined;
  }

  #endFragment(): void {
    this.#inFragment = false;
    if (this.#last) this.#endRecord();
  }

  /** A record that is all there. */
  #whole(chunk: Buffer, start: number, end: number): void {
    if (end - start < XID_BYTES) return;
    const call = this.#handler.find(chunk.readUInt32BE(start));
    if (call === undefined) return;
    const data = this.#results(call, chunk, start, end);
    if (data < 0) return;
    const { at } = this.#reader;
    const { target } = call;
    if (data > 0 && target !== undefined) {
      if (at + data > end || data > target.length) {
        this.#handler.refused(call, 'malformed');
        return;
      }
      chunk.copy(target, 0, at, at + data);
    }
    this.#handler.answered(call);
  }

  /** @returns bytes of data that follow; negative: the call is over */
  #results(call: RpcCall, bytes: Buffer, start: number, end: number): number {
    const reader = this.#reader.reset(bytes, start, end);
    const refusal = readReplyHeader(reader);
    if (refusal !== undefined) {
      this.#handler.refused(call, refusal);
      return -1;
    }
    const data = call.results(reader);
    if (data < 0) this.#handler.refused(call, 'malformed');
    return data;
  }

  #body(chunk: Buffer, start: number, end: number): void {
    this.#taken += end - start;
    let at = start;
    if (this.#data === undefined && !this.#skip) at = this.#gather(chunk, at, end);
    if (this.#data === undefined || at === end || this.#gaveUp()) return;
    const count = Math.min(end - at, this.#dataLeft);
    chunk.copy(this.#data, this.#dataAt, at, at + count);
    this.#dataAt += count;
    this.#dataLeft -= count;
  }

  /** Nobody waits for it any more: its target is somebody else's now. */
  #gaveUp(): boolean {
    return this.#call === undefined || this.#handler.find(this.#call.xid) !== this.#call;
  }

  /** @returns how far the bytes belong to the head */
  #gather(chunk: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const limit = this.#headLimit();
      const count = Math.min(end - at, limit - this.#headBytes);
      this.#grow(this.#headBytes + count);
      chunk.copy(this.#head, this.#headBytes, at, at + count);
      this.#headBytes += count;
      at += count;
      if (this.#headBytes < limit) return at;
      if (this.#call === undefined) {
        this.#call = this.#handler.find(this.#head.readUInt32BE(0));
        if (this.#call === undefined) {
          this.#skip = true;
          return end;
        }
      } else if (this.#call.target === undefined) {
        this.#handler.refused(this.#call, 'malformed'); // longer than such a reply can be
        this.#skip = true;
        return end;
      } else {
        this.#startData(this.#call, this.#call.target);
        return at;
      }
    }
    return at;
  }

  #headLimit(): number {
    if (this.#call === undefined) return XID_BYTES;
    return this.#call.target === undefined ? this.#call.replyBytes : READ_HEAD_BYTES;
  }

  #grow(bytes: number): void {
    if (bytes <= this.#head.length) return;
    const larger = Buffer.allocUnsafe(Math.max(bytes, this.#head.length * 2));
    this.#head.copy(larger, 0, 0, this.#headBytes);
    this.#head = larger;
  }

  /** The head is long enough for any results: what is behind them is data. */
  #startData(call: RpcCall, target: Buffer): void {
    const data = this.#results(call, this.#head, 0, this.#headBytes);
    if (data > target.length) this.#handler.refused(call, 'malformed');
    if (data < 0 || data > target.length) {
      this.#skip = true;
      return;
    }
    const { at } = this.#reader;
    const here = Math.min(data, this.#headBytes - at);
    this.#head.copy(target, 0, at, at + here);
    this.#data = target;
    this.#dataAt = here;
    this.#dataLeft = data - here;
  }

  #endRecord(): void {
    const call = this.#call;
    if (call !== undefined && !this.#skip) {
      if (this.#data === undefined) this.#whole(this.#head, 0, this.#headBytes);
      else if (!this.#gaveUp()) {
        if (this.#dataLeft > 0) this.#handler.refused(call, 'malformed');
        else this.#handler.answered(call);
      }
    }
    this.#taken = 0;
    this.#headBytes = 0;
    this.#call = undefined;
    this.#skip = false;
    this.#data = undefined;
    if (this.#head.length > READ_HEAD_BYTES * 16) this.#head = Buffer.allocUnsafe(READ_HEAD_BYTES);
  }
}
