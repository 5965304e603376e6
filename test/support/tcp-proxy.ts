/** A way to a server that a test can cut, stall and open again. */
import { connect, createServer, type Server, type Socket } from 'node:net';

type ProxyTarget = { readonly host: string; readonly port: number } | { readonly path: string };

export class TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #refuses = false;
  #bytes = 0;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(target: ProxyTarget): Promise<TcpProxy> {
    let proxy: TcpProxy | undefined;
    const server = createServer((near) => proxy?.accept(near, target));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    proxy = new TcpProxy(server, address.port);
    return proxy;
  }

  get portal(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Bytes that went through, both ways. */
  get bytes(): number {
    return this.#bytes;
  }

  private accept(near: Socket, target: ProxyTarget): void {
    if (this.#refuses) {
      near.destroy();
      return;
    }
    const far = connect(target);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on('data', (bytes: Buffer) => {
        this.#bytes += bytes.length;
        to.write(bytes);
      });
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  /** Breaks every connection and takes no new one until `mend`. */
  cut(): void {
    this.#refuses = true;
    for (const socket of this.#sockets) {
      // Only TCP has a reset.
      if (socket.remoteFamily === undefined) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  /** Nothing goes through any more, and nobody is told; no new connection until `mend`. */
  stall(): void {
    this.#refuses = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** What `stall` has kept goes on, on the connections that it was sent on. */
  release(): void {
    for (const socket of this.#sockets) socket.resume();
  }

  mend(): void {
    this.#refuses = false;
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
