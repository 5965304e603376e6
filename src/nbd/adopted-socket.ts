/**
 * Accepted sockets that read into memory of ours.
 *
 * An ordinary socket reads into fresh memory of 64 KiB each time. Under large writes the garbage
 * collector then costs as much as moving the bytes (measured: 45 % of the server's CPU). `onread`
 * reads into one buffer instead, but net.Server makes its sockets without that option; so the handle
 * of an accepted socket moves to a socket made with it. The handle is not a documented part of Node:
 * where it is not what we know, the accepted socket is used as it is, which is slower and nothing else.
 */
import { Socket, type SocketConstructorOpts } from 'node:net';

/** What moving a handle needs to know of it. */
interface Handle {
  useUserBuffer(buffer: Buffer): void;
}

type HandleHolder = { _handle: Partial<Handle> | null };

type AdoptingOptions = Omit<SocketConstructorOpts, 'handle'> & { readonly handle: Handle };

const plain = new WeakSet<object>();

/**
 * Whether the descriptor of this socket is known to be the plain connection, never the inside of TLS, and
 * not to block.
 */
export function isPlain(socket: object): boolean {
  return plain.has(socket);
}

/** Says so of a socket that `connect` of node:net made and that will not be upgraded to TLS. */
export function notePlain(socket: Socket): void {
  plain.add(socket);
}

/**
 * @param accepted has not been read from or written to (`pauseOnConnect`)
 * @param buffer may serve any number of sockets of a thread: each read is consumed before the next
 * @returns a half-open socket. What it emits as 'data' are views of `buffer` that are
 *   valid during the event only.
 */
export function adoptSocket(accepted: Socket, buffer: Buffer): Socket {
  const holder = accepted as unknown as HandleHolder;
  const handle = holder._handle;
  if (!isKnown(handle)) return accepted;
  holder._handle = null;
  accepted.destroy(); // it counts as a connection of its net.Server until then
  const options: AdoptingOptions = {
    handle,
    allowHalfOpen: true,
    onread: {
      buffer,
      callback: (length) => {
        socket.emit('data', buffer.subarray(0, length));
        return true;
      },
    },
  };
  const socket = new Socket(options as unknown as SocketConstructorOpts);
  notePlain(socket);
  return socket;
}

function isKnown(handle: Partial<Handle> | null): handle is Handle {
  return typeof handle?.useUserBuffer === 'function';
}
