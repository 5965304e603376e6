/**
 * PDUs on their way to the socket. Everything that is sent in one turn of the event loop leaves in one write:
 * headers and short data are put together in a slab, long data stands between its pieces, from where it is.
 */
import type { Socket } from 'node:net';
import { writeNow } from '../../base/index.ts';
import { BHS_SIZE, crc32c, DIGEST_SIZE, padding } from '../wire/index.ts';
import { COPIED_BYTES, SLAB_BYTES } from './limits.ts';

/** Whose data is sent from where it is: told when nothing refers to it any more. */
export interface Sender {
  /** Parts of its data that the socket has not taken. */
  unsent: number;
  /** Called when `unsent` has come back to zero. */
  allSent(): void;
}

export class Outbox {
  readonly #socket: Socket;
  #headerDigest = false;
  #dataDigest = false;
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  /** Where the piece of the slab starts that is not in `#parts` yet, and where it ends. */
  #start = 0;
  #used = 0;
  #header = 0;
  #bytes = 0;
  #parts: Buffer[] = [];
  #senders: Sender[] = [];
  #scheduled = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** From the next PDU on. */
  useDigests(header: boolean, data: boolean): void {
    this.#headerDigest = header;
    this.#dataDigest = data;
  }

  /** Bytes that have not left. */
  get unsent(): number {
    return this.#bytes + this.#socket.writableLength;
  }

  /** Starts a PDU: the caller writes a header of BHS_SIZE bytes at `at` of `buffer`, then calls `send`. */
  begin(): { readonly buffer: Buffer; readonly at: number } {
    // Header, copied data, padding and two digests never straddle slabs.
    if (this.#used + BHS_SIZE + COPIED_BYTES + 3 + 2 * DIGEST_SIZE > SLAB_BYTES) {
      this.#cut();
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#start = 0;
      this.#used = 0;
    }
    this.#header = this.#used;
    this.#used += BHS_SIZE;
    return { buffer: this.#slab, at: this.#header };
  }

  /** Ends the PDU with `data[start, end)`. @param sender counts what is sent without a copy; absent: always copied */
  send(data?: Buffer, start = 0, end = data?.length ?? 0, sender?: Sender): void {
    const slab = this.#slab;
    if (this.#headerDigest) {
      slab.writeUInt32LE(crc32c(slab, this.#header, this.#used), this.#used);
      this.#used += DIGEST_SIZE;
    }
    const length = end - start;
    if (data !== undefined && length > 0) this.#data(data, start, end, length, sender);
    this.#bytes += this.#used - this.#header;
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#flushSoon);
  }

  #data(
    data: Buffer,
    start: number,
    end: number,
    length: number,
    sender: Sender | undefined,
  ): void {
    let crc = this.#dataDigest ? crc32c(data, start, end) : 0;
    if (length <= COPIED_BYTES) {
      data.copy(this.#slab, this.#used, start, end);
      this.#used += length;
    } else {
      this.#cut();
      if (sender === undefined) this.#parts.push(Buffer.from(data.subarray(start, end)));
      else {
        this.#parts.push(data.subarray(start, end));
        sender.unsent += 1;
        this.#senders.push(sender);
      }
      this.#bytes += length;
    }
    const pad = padding(length);
    this.#slab.fill(0, this.#used, this.#used + pad);
    if (this.#dataDigest) {
      crc = crc32c(this.#slab, this.#used, this.#used + pad, crc);
      this.#slab.writeUInt32LE(crc, this.#used + pad);
      this.#used += DIGEST_SIZE;
    }
    this.#used += pad;
  }

  #cut(): void {
    if (this.#used > this.#start) this.#parts.push(this.#slab.subarray(this.#start, this.#used));
    this.#start = this.#used;
  }

  readonly #flushSoon = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  /** Writes now what is there. */
  flush(): void {
    this.#cut();
    const parts = this.#parts;
    if (parts.length === 0) return;
    const senders = this.#senders;
    let total = 0;
    for (const part of parts) total += part.length;
    this.#parts = [];
    this.#senders = [];
    this.#bytes = 0;
    const socket = this.#socket;
    const written = socket.destroyed ? total : socket.connecting ? 0 : writeNow(socket, parts);
    if (written === total) {
      this.#start = 0;
      this.#used = 0;
      release(senders);
      return;
    }
    // The stream keeps the slab: the next PDU gets another.
    this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#start = 0;
    this.#used = 0;
    this.#leave(parts, written, senders);
  }

  #leave(parts: readonly Buffer[], written: number, senders: readonly Sender[]): void {
    const socket = this.#socket;
    let skip = written;
    const rest: Buffer[] = [];
    for (const part of parts) {
      if (skip >= part.length) skip -= part.length;
      else {
        rest.push(skip === 0 ? part : part.subarray(skip));
        skip = 0;
      }
    }
    socket.cork();
    rest.forEach((part, index) => {
      if (index < rest.length - 1) socket.write(part);
      else socket.write(part, () => release(senders));
    });
    socket.uncork();
  }
}

function release(senders: readonly Sender[]): void {
  for (const sender of senders) {
    sender.unsent -= 1;
    if (sender.unsent === 0) sender.allSent();
  }
}
