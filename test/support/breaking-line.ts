/** A TCP line to a server that breaks after a random number of bytes, again and again. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export class BreakingLine {
  breaks = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** @param bytes how many may pass, of both directions, until the next break */
  constructor(target: { readonly host: string; readonly port: number }, bytes: () => number) {
    this.#server = createServer((near) => {
      const far = connect(target);
      let left = bytes();
      const end = (): void => {
        near.destroy();
        far.destroy();
      };
      const pass = (from: Socket, to: Socket): void => {
        this.#sockets.add(from);
        from.on('error', end);
        from.on('close', () => {
          this.#sockets.delete(from);
          end();
        });
        from.on('data', (chunk: Buffer) => {
          if (to.destroyed) return;
          to.write(chunk.subarray(0, left));
          left -= chunk.length;
          if (left > 0) return;
          this.breaks += 1;
          // What was passed on still arrives on the other side.
          to.end(() => end());
          from.destroy();
        });
      };
      pass(near, far);
      pass(far, near);
    });
  }

  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.listen(0, '127.0.0.1', () => {
        const address = this.#server.address();
        if (address === null || typeof address === 'string') reject(new Error('no port'));
        else resolve(address.port);
      });
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
