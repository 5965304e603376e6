/**
 * Requests on their way to the socket. Everything that is asked for in one turn of the event loop leaves
 * in one write: headers and small payloads are put together in a slab (the batch is the server's own,
 * turned around), large payloads stand between its pieces.
 */
import type { Duplex } from 'node:stream';
import { ReplyBatch } from '../reply-batch.ts';
import { SlabPool } from '../slab-pool.ts';
import { NBD_CMD_DISC, NBD_CMD_FLAG_PAYLOAD_LEN } from '../wire/constants.ts';
import {
  COMPACT_REQUEST_SIZE,
  EXTENDED_REQUEST_SIZE,
  type RequestFields,
  writeExtendedRequest,
  writeRequest,
} from '../wire/index.ts';
import { COPIED_WRITE } from './limits.ts';
import type { Pending } from './pending.ts';

/** A thread's clients share it. */
const SLABS = new SlabPool();

export class RequestSender {
  readonly #socket: Duplex;
  readonly #extended: boolean;
  readonly #headerSize: number;
  readonly #batch: ReplyBatch;
  #scheduled = false;

  constructor(socket: Duplex, extended: boolean) {
    this.#socket = socket;
    this.#extended = extended;
    this.#headerSize = extended ? EXTENDED_REQUEST_SIZE : COMPACT_REQUEST_SIZE;
    this.#batch = new ReplyBatch(SLABS, socket, () => undefined);
  }

  /** Bytes that wait for the end of this turn. */
  get bytes(): number {
    return this.#batch.bytes;
  }

  send(pending: Pending, cookieHigh: number, cookieLow: number): void {
    const { type, flags, offset, length, payload } = pending.command;
    const copied = payload !== undefined && payload.length <= COPIED_WRITE;
    const reserved = copied ? this.#headerSize + payload.length : this.#headerSize;
    const slab = this.#batch.reserve(reserved);
    const at = slab.used - reserved;
    this.#write(slab.buffer, at, {
      flags: this.#extended && payload !== undefined ? flags | NBD_CMD_FLAG_PAYLOAD_LEN : flags,
      type,
      cookieHigh,
      cookieLow,
      offset,
      length: payload?.length ?? length,
    });
    if (copied) {
      payload.copy(slab.buffer, at + this.#headerSize);
      pending.sent();
    } else if (payload !== undefined) this.#batch.push([payload], () => pending.sent());
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#flush);
  }

  /** Says goodbye, behind whatever still waits. */
  end(): void {
    this.#batch.flush();
    const header = Buffer.alloc(this.#headerSize);
    const type = NBD_CMD_DISC;
    this.#write(header, 0, { flags: 0, type, cookieHigh: 0, cookieLow: 0, offset: 0, length: 0 });
    this.#socket.end(header);
  }

  #write(target: Buffer, at: number, fields: RequestFields): void {
    if (this.#extended) writeExtendedRequest(target, at, fields);
    else writeRequest(target, at, fields);
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    this.#batch.flush();
  };
}
