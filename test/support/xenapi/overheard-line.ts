/** A way to a server that keeps what clients sent, and passes on every byte that reached it before it says that they left. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

const HEAD_END = '\r\n\r\n';

export class OverheardLine {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Of each connection, in the order in which they were made. */
  readonly #sent: Buffer[][] = [];

  private constructor(target: URL) {
    this.#server = createServer((near) => {
      const far = connect({ host: target.hostname, port: Number(target.port) });
      const sent: Buffer[] = [];
      this.#sent.push(sent);
      near.on('data', (bytes: Buffer) => {
        sent.push(bytes);
        far.write(bytes);
      });
      near.on('close', () => far.end());
      far.on('data', (bytes: Buffer) => near.write(bytes));
      far.on('close', () => near.destroy());
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => this.#sockets.delete(socket));
      }
    });
  }

  static async to(url: string): Promise<OverheardLine> {
    const line = new OverheardLine(new URL(url));
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('it does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  /** What came behind the head of the one request in which there is `mark`, if that was the last on its connection. */
  bodyAfter(mark: string): Buffer {
    const requests = this.#sent.map((pieces) => Buffer.concat(pieces));
    const found = requests.filter((bytes) => bytes.includes(mark));
    const [bytes] = found;
    if (bytes === undefined || found.length > 1) throw new Error(`${found.length} with ${mark}`);
    return bytes.subarray(bytes.indexOf(HEAD_END, bytes.indexOf(mark)) + HEAD_END.length);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
