/** One TCP connection: calls out, replies in. It does not outlive its socket; rpc-client.ts makes another one. */
import type { Socket } from 'node:net';
import { SLAB_BYTES } from '../limits.ts';
import type { Refusal } from '../wire/rpc-message.ts';
import type { RpcCall } from './call.ts';
import { RpcFailure } from './failure.ts';
import { ReplyReader } from './reply-reader.ts';

export interface ConnectionEvents {
  /** Once. Calls that were not answered are in `calls` still. */
  ended(reason: Error): void;
  /** A call was answered: there is a place. */
  answered(): void;
}

export class RpcConnection {
  /** By xid, in the order in which they were sent. */
  readonly calls = new Map<number, RpcCall>();
  /** Whether anything came since it was last set to false. */
  heard = true;
  /** When something came last, or was owed first: milliseconds, kept by the client. */
  heardAt = 0;
  /** It was asked for a sign of life since. */
  asked = false;
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #reader: ReplyReader;
  #slab = Buffer.alloc(0);
  #slabAt = 0;
  #pieces: Buffer[] = [];
  #pieceStart = 0;
  #pieceEnd = 0;
  #piece: Buffer | undefined;
  #scheduled = false;
  #ended = false;

  constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#reader = new ReplyReader({
      find: (xid) => this.calls.get(xid),
      answered: (call) => {
        this.calls.delete(call.xid);
        call.done();
      },
      refused: (call, refusal) => {
        this.calls.delete(call.xid);
        call.fail(refusalFailure(refusal));
      },
    });
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.once('end', () => this.end(new Error('the server closed the connection')));
    socket.once('error', (error) => this.end(error));
    socket.once('close', () => this.end(new Error('the connection is closed')));
  }

  /** Sent with whatever else this turn of the event loop sends. */
  send(call: RpcCall): void {
    const own = call.frame;
    if (own !== undefined) this.#push(own.buffer, own.at, call.encode(own.buffer, own.at));
    else {
      if (this.#slabAt + call.frameBytes > this.#slab.length) {
        this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, call.frameBytes));
        this.#slabAt = 0;
      }
      const start = this.#slabAt;
      this.#slabAt = call.encode(this.#slab, start);
      this.#push(this.#slab, start, this.#slabAt);
    }
    const { trailer } = call;
    if (trailer !== undefined) this.#push(trailer, 0, trailer.length);
    call.sent = true;
    this.calls.set(call.xid, call);
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#flush);
  }

  end(reason: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.destroy();
    this.#events.ended(reason);
  }

  #push(buffer: Buffer, start: number, end: number): void {
    if (this.#piece === buffer && this.#pieceEnd === start) {
      this.#pieceEnd = end;
      return;
    }
    this.#closePiece();
    this.#piece = buffer;
    this.#pieceStart = start;
    this.#pieceEnd = end;
  }

  #closePiece(): void {
    if (this.#piece === undefined) return;
    this.#pieces.push(this.#piece.subarray(this.#pieceStart, this.#pieceEnd));
    this.#piece = undefined;
  }

  readonly #flush = (): void => {
    this.#scheduled = false;
    this.#closePiece();
    const pieces = this.#pieces;
    this.#pieces = [];
    if (this.#ended) return;
    if (pieces.length === 1) {
      this.#socket.write(pieces[0] ?? '');
      return;
    }
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
  };

  #receive(bytes: Buffer): void {
    if (this.#ended) return;
    this.heard = true;
    const violation = this.#reader.push(bytes);
    if (violation !== undefined) this.end(new Error(`the server sent ${violation}`));
    else this.#events.answered();
  }
}

function refusalFailure(refusal: Refusal | 'malformed'): RpcFailure {
  const message =
    refusal === 'malformed' ? 'the answer makes no sense' : `the server refuses: ${refusal}`;
  return new RpcFailure(refusal, message, refusal === 'malformed');
}
