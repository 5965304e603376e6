/** TCP sockets of the initiator: they read into memory of ours and write with one system call. */
import { writeSync, writevSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { IscsiError } from './iscsi-error.ts';
import { READ_BUFFER_BYTES } from './limits.ts';
import { type Portal, portalText } from './portal.ts';

/** Keep-alive probes start after this many idle milliseconds, for a peer that dies while nothing is asked of it. */
const KEEP_ALIVE_MS = 30_000;

/**
 * One buffer for all sockets of a thread: each read is consumed before the next. Without it a socket reads into
 * fresh memory each time, and collecting that costs as much as moving the bytes.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

/**
 * What `receive` is given is valid during the call only.
 * @param ended called once, whatever ended the socket; also when it never connected
 */
export function openSocket(
  portal: Portal,
  on: {
    readonly connected: () => void;
    readonly receive: (bytes: Buffer) => void;
    readonly drained: () => void;
    readonly ended: (reason: IscsiError) => void;
  },
): Socket {
  const where = portalText(portal);
  let connected = false;
  let over = false;
  const end = (message: string, cause?: Error): void => {
    if (over) return;
    over = true;
    const failure = connected ? 'ended' : 'unreachable';
    on.ended(new IscsiError(failure, `${where}: ${message}`, cause === undefined ? {} : { cause }));
  };
  const socket = connect({
    host: portal.host,
    port: portal.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
    onread: {
      buffer: READ_BUFFER,
      callback: (length) => {
        on.receive(READ_BUFFER.subarray(0, length));
        return true;
      },
    },
  });
  socket.once('connect', () => {
    connected = true;
    on.connected();
  });
  socket.on('drain', on.drained);
  socket.on('error', (error) => end(error.message, error));
  socket.on('end', () => end('the target closed the connection'));
  socket.on('close', () => end('the connection is closed'));
  return socket;
}

interface HandleHolder {
  readonly _handle?: { readonly fd?: number } | null;
}

/**
 * Writes the parts in order, past the stream machinery of Node, whose bookkeeping costs several microseconds a
 * write and holds the memory until a later turn. The descriptor is asked for each time, because a closed one's
 * number may be another file's; it is not a documented part of Node, and without it everything goes the stream's way.
 * @returns how many bytes have left; the rest is the caller's to write to the stream, which waits, reports and closes
 */
export function writeNow(socket: Socket, parts: readonly Buffer[]): number {
  // What the stream still holds comes first.
  if (socket.writableLength > 0 || socket.connecting) return 0;
  const descriptor = (socket as unknown as HandleHolder)._handle?.fd;
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
