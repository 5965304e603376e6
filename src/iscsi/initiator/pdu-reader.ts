/**
 * Cuts the bytes of a connection into PDUs. Read data is copied once, from the socket's buffer to where the
 * reader of the block wants it; other data is collected, within its limit.
 */
import {
  BHS_SIZE,
  crc32c,
  DIGEST_SIZE,
  decodeFrame,
  decodeResponse,
  type FrameRules,
  padding,
  type TargetPdu,
} from '../wire/index.ts';
import { RECEIVE_OTHER_BYTES } from './limits.ts';

export interface PduReceiver {
  /**
   * Where the data of this PDU goes, as far as it is read data.
   * @returns the buffer and, by `dataStart`, the place in it; undefined: collect it; a string: the violation
   */
  destination(pdu: TargetPdu): Buffer | string | undefined;
  /** Offset in the last `destination`. */
  readonly dataStart: number;
  /** @param data what was collected; empty for read data. @returns a violation */
  received(pdu: TargetPdu, data: Buffer): string | undefined;
}

export interface ReaderRules extends Omit<FrameRules, 'maxAhs'> {
  readonly dataDigest: boolean;
}

const NOTHING = Buffer.alloc(0);
const TRAILER_BYTES = 3 + DIGEST_SIZE;

export class PduReader {
  #receiver: PduReceiver;
  #rules: FrameRules;
  #dataDigest: boolean;
  /** A header that came in parts, then what stands behind data that came in parts. */
  readonly #kept = Buffer.alloc(BHS_SIZE + DIGEST_SIZE);
  #keptLength = 0;
  #pdu: TargetPdu | undefined;
  #target: Buffer = NOTHING;
  #collected = false;
  #at = 0;
  #end = 0;
  #crc = 0;
  /** Bytes behind the data: padding and digest. */
  #trailer = 0;
  #padding = 0;

  constructor(receiver: PduReceiver, rules: ReaderRules) {
    this.#receiver = receiver;
    this.#rules = { ...rules, maxAhs: 0 };
    this.#dataDigest = rules.dataDigest;
  }

  /** From the next PDU on; may be called from `received`. */
  change(receiver: PduReceiver, rules: ReaderRules): void {
    this.#receiver = receiver;
    this.#rules = { ...rules, maxAhs: 0 };
    this.#dataDigest = rules.dataDigest;
  }

  /** @returns a violation, after which nothing more may be pushed */
  push(bytes: Buffer): string | undefined {
    let at = 0;
    while (at < bytes.length || (this.#pdu !== undefined && this.#complete())) {
      if (this.#pdu === undefined) {
        const result = this.#header(bytes, at);
        if (typeof result === 'string') return result;
        at = result;
      } else if (this.#at < this.#end) at = this.#data(bytes, at);
      else {
        at = this.#behind(bytes, at);
        if (!this.#complete()) continue;
        const problem = this.#finish();
        if (problem !== undefined) return problem;
      }
    }
    return undefined;
  }

  #complete(): boolean {
    return this.#at === this.#end && this.#keptLength === this.#trailer;
  }

  /** @returns where to go on; the violation */
  #header(bytes: Buffer, start: number): number | string {
    let source = bytes;
    let from = start;
    let end = bytes.length;
    let at = start;
    if (this.#keptLength > 0) {
      const wanted = this.#rules.headerDigest ? BHS_SIZE + DIGEST_SIZE : BHS_SIZE;
      const take = Math.min(wanted - this.#keptLength, bytes.length - at);
      bytes.copy(this.#kept, this.#keptLength, at, at + take);
      this.#keptLength += take;
      at += take;
      source = this.#kept;
      from = 0;
      end = this.#keptLength;
    }
    const frame = decodeFrame(source, from, end, this.#rules);
    if (frame.kind === 'violation') return frame.violation;
    if (frame.kind === 'need-more') {
      if (source === bytes) {
        this.#keptLength = bytes.copy(this.#kept, 0, from, end);
      }
      return bytes.length;
    }
    const pdu = decodeResponse(source, from);
    if (pdu.kind === 'violation') return pdu.violation;
    const problem = this.#begin(pdu);
    if (problem !== undefined) return problem;
    return source === bytes ? from + frame.size : at;
  }

  #begin(pdu: TargetPdu): string | undefined {
    this.#keptLength = 0;
    this.#crc = 0;
    const length = pdu.dataLength;
    if (length === 0) {
      // Nothing follows, so no further byte would ever get us past it.
      const destination = pdu.kind === 'data-in' ? this.#receiver.destination(pdu) : undefined;
      return typeof destination === 'string' ? destination : this.#receiver.received(pdu, NOTHING);
    }
    const destination = this.#receiver.destination(pdu);
    if (typeof destination === 'string') return destination;
    this.#collected = destination === undefined;
    if (destination === undefined) {
      if (length > RECEIVE_OTHER_BYTES) return 'data-length';
      this.#target = Buffer.allocUnsafe(length);
      this.#at = 0;
    } else {
      this.#target = destination;
      this.#at = this.#receiver.dataStart;
    }
    this.#end = this.#at + length;
    this.#padding = padding(length);
    this.#trailer = this.#padding + (this.#dataDigest ? DIGEST_SIZE : 0);
    this.#pdu = pdu;
    return undefined;
  }

  #data(bytes: Buffer, at: number): number {
    const take = Math.min(this.#end - this.#at, bytes.length - at);
    bytes.copy(this.#target, this.#at, at, at + take);
    if (this.#dataDigest) this.#crc = crc32c(bytes, at, at + take, this.#crc);
    this.#at += take;
    return at + take;
  }

  #behind(bytes: Buffer, at: number): number {
    const take = Math.min(this.#trailer - this.#keptLength, bytes.length - at, TRAILER_BYTES);
    if (take === 0) return at;
    bytes.copy(this.#kept, this.#keptLength, at, at + take);
    this.#keptLength += take;
    return at + take;
  }

  #finish(): string | undefined {
    const pdu = this.#pdu;
    if (this.#dataDigest) {
      const crc = crc32c(this.#kept, 0, this.#padding, this.#crc);
      if (this.#kept.readUInt32LE(this.#padding) !== crc) return 'data-digest';
    }
    const data = this.#collected ? this.#target : NOTHING;
    this.#target = NOTHING;
    this.#pdu = undefined;
    this.#keptLength = 0;
    return pdu === undefined ? undefined : this.#receiver.received(pdu, data);
  }
}
