/** TCP connections to an NFS server. */
import { connect, type Socket } from 'node:net';
import { CONNECT_MS, KEEP_ALIVE_MS, READ_BUFFER_BYTES, RESERVED_PORT_TRIES } from '../limits.ts';

/**
 * One buffer for all connections of a thread: each read is consumed before the next. A socket with memory of its own
 * for each read makes collecting it cost as much as moving the bytes.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

/** Ports that only root may bind, less those of well-known services. */
const RESERVED_FIRST = 665;
const RESERVED_LAST = 1023;

export interface SocketAddress {
  readonly host: string;
  readonly port: number;
  /** Connect from a reserved port if we may: many servers serve nobody else ("secure" exports). */
  readonly reserved: boolean;
}

/**
 * What it emits as 'data' are views that are valid during the event only.
 * @param random in [0, 1)
 * @throws what node:net says
 */
export async function openSocket(address: SocketAddress, random: () => number): Promise<Socket> {
  const ports = RESERVED_LAST - RESERVED_FIRST + 1;
  const first = Math.floor(random() * ports);
  for (let attempt = 0; address.reserved && attempt < RESERVED_PORT_TRIES; attempt += 1) {
    const port = RESERVED_FIRST + ((first + attempt) % ports);
    try {
      return await openFrom(address, port);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM') break;
      if (code !== 'EADDRINUSE' && code !== 'EADDRNOTAVAIL') throw error;
    }
  }
  return openFrom(address, undefined);
}

function openFrom(address: SocketAddress, localPort: number | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({
      host: address.host,
      port: address.port,
      ...(localPort === undefined ? {} : { localPort }),
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      onread: {
        buffer: READ_BUFFER,
        callback: (length: number) => {
          socket.emit('data', READ_BUFFER.subarray(0, length));
          return true;
        },
      },
    });
    const late = setTimeout(() => {
      socket.destroy(Object.assign(new Error('no TCP connection in time'), { code: 'ETIMEDOUT' }));
    }, CONNECT_MS);
    const fail = (error?: Error): void => {
      clearTimeout(late);
      reject(error ?? new Error('closed'));
    };
    socket.once('error', fail);
    socket.once('close', () => fail());
    socket.once('connect', () => {
      clearTimeout(late);
      socket.removeAllListeners('error');
      socket.removeAllListeners('close');
      socket.on('error', () => undefined); // 'close' follows
      resolve(socket);
    });
  });
}
