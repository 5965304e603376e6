/**
 * Sends replies with a system call of its own, past the stream machinery of Node.
 *
 * `socket.write` costs several microseconds of stream, request and callback bookkeeping, and its memory
 * has to be held until a callback that comes a turn later. A write to the socket's descriptor is done
 * when it returns: what left is free again at once. What does not fit into the kernel's buffer, and
 * whatever fails, goes the stream's way, which waits, reports and closes as ever.
 *
 * Only for sockets whose descriptor is known to be the plain connection, never the inside of TLS (those
 * of `adoptSocket`, and our client's own). The descriptor is asked for each time, because a closed one's number may be another file's.
 */
import { writeSync, writevSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { isPlain } from './adopted-socket.ts';

interface HandleHolder {
  readonly _handle?: { readonly fd?: number } | null;
}

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
    // What the stream still holds comes first.
    if (!this.#plain || this.#socket.writableLength > 0) return 0;
    const descriptor = (this.#socket as HandleHolder)._handle?.fd;
    if (descriptor === undefined || descriptor < 0) return 0;
    const [only] = parts;
    try {
      return parts.length === 1 && only !== undefined
        ? writeSync(descriptor, only)
        : writevSync(descriptor, parts);
    } catch {
      return 0; // EAGAIN, or a broken connection: the stream finds out which
    }
  }
}
