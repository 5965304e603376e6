/**
 * Sends replies with a system call of its own (base/write-now.ts): what left is free again at once, where a
 * `socket.write` holds its memory until a callback that comes a turn later. What does not fit into the kernel's
 * buffer, and whatever fails, goes the stream's way, which waits, reports and closes as ever.
 *
 * Only for sockets whose descriptor is known to be the plain connection, never the inside of TLS (those
 * of `adoptSocket`, and our client's own).
 */
import type { Duplex } from 'node:stream';
import { writeNow } from '../base/index.ts';
import { isPlain } from './adopted-socket.ts';

export class DirectWriter {
  readonly #socket: Duplex;
  readonly #plain: boolean;

  constructor(socket: Duplex) {
    this.#socket = socket;
    this.#plain = isPlain(socket);
  }

  /**
   * Writes the parts in order, without waiting.
   * @returns how many bytes have left; the rest is the caller's to write to the stream
   */
  write(parts: readonly Buffer[]): number {
    return this.#plain ? writeNow(this.#socket, parts) : 0;
  }
}
