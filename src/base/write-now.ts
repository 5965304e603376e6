import { writeSync, writevSync } from 'node:fs';
import type { Duplex } from 'node:stream';

interface HandleHolder {
  readonly _handle?: { readonly fd?: number } | null;
}

/**
 * Writes the parts in order, without waiting, past the stream machinery of Node, whose bookkeeping costs several
 * microseconds a write and holds the memory until a later turn. The descriptor is asked for each time, because a
 * closed one's number may be another file's; it is not a documented part of Node, and without it everything goes the
 * stream's way.
 * @param socket a plain connection that is connected, never the inside of TLS
 * @returns how many bytes have left; the rest is the caller's to write to the stream, which waits, reports and closes
 */
export function writeNow(socket: Duplex, parts: readonly Buffer[]): number {
  // What the stream still holds comes first.
  if (socket.writableLength > 0) return 0;
  const descriptor = (socket as HandleHolder)._handle?.fd;
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
