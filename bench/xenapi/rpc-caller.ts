/** A client of XenAPI over connections that stay open, as plain as can be: what it costs is little beside the server. */
import { Agent, request } from 'node:http';

export interface Answered {
  readonly body: Buffer;
  readonly ms: number;
}

export class RpcCaller {
  readonly #url: URL;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  session = '';

  constructor(url: string) {
    this.#url = new URL(url);
  }

  post(path: string, body: string): Promise<Answered> {
    const began = performance.now();
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#url;
      const asked = request(
        { hostname, port, path, method: 'POST', agent: this.#agent },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({ body: Buffer.concat(chunks), ms: performance.now() - began }),
          );
        },
      );
      asked.on('error', reject);
      asked.end(body);
    });
  }

  /** @throws Error with what the server says */
  async call<T>(method: string, ...params: readonly unknown[]): Promise<T> {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const reply = JSON.parse((await this.post('/jsonrpc', body)).body.toString()) as {
      readonly result?: T;
      readonly error?: unknown;
    };
    if (reply.error !== undefined) throw new Error(`${method}: ${JSON.stringify(reply.error)}`);
    return reply.result as T;
  }

  async login(password: string): Promise<void> {
    this.session = await this.call('session.login_with_password', 'root', password);
  }

  close(): void {
    this.#agent.destroy();
  }
}
