/**
 * The TCP sockets under the connections of a server. Of TLS only they can be reset, and a TLS connection that merely ends
 * is taken by clients for one that is at its end.
 */
import type { Server, Socket } from 'node:net';

export class RawSockets {
  readonly #sockets = new Map<string, Socket>();

  /** @param server of HTTP, with TLS or without: it tells of TCP connections, before there is TLS on them */
  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      const key = keyOf(socket);
      this.#sockets.set(key, socket);
      socket.once('close', () => {
        if (this.#sockets.get(key) === socket) this.#sockets.delete(key);
      });
    });
  }

  /** Ends a connection so that its client sees that it broke. */
  reset(connection: Socket): void {
    const raw = this.#sockets.get(keyOf(connection));
    raw?.resetAndDestroy();
    connection.destroy();
  }
}

function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(' ');
}
