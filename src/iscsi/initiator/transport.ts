/** TCP sockets of the initiator: they read into memory of ours. */
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
