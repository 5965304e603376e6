import { connect, type Socket } from 'node:net';
import { until } from '../../../support/until.ts';

/** A connection on which a test sends and sees bytes. */
export class RawClient {
  readonly socket: Socket;
  received = '';
  closed = false;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' });
    this.socket.setEncoding('utf8');
    this.socket.on('data', (text) => {
      this.received += text;
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  async untilReceived(text: string): Promise<string> {
    await until(`${text} is received`, () => this.received.includes(text));
    return this.received;
  }

  async untilClosed(): Promise<string> {
    await until('the server closes', () => this.closed);
    return this.received;
  }
}

export interface RawAnswer {
  readonly status: string;
  /** Without those that the day or Node.js's keep-alive makes. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One request on a connection of its own, `connection: close`. */
export async function ask(
  port: number,
  head: string,
  body = '',
  more: readonly string[] = [],
): Promise<RawAnswer> {
  const client = new RawClient(port);
  const headers = [head, 'host: x', 'connection: close', ...more];
  if (body !== '') headers.push(`content-length: ${Buffer.byteLength(body)}`);
  return parseAnswer(await client.send(`${headers.join('\r\n')}\r\n\r\n${body}`).untilClosed());
}

export function parseAnswer(text: string): RawAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [status = '', ...lines] = head.split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (name !== 'date' && name !== 'connection') headers[name] = line.slice(colon + 1).trim();
  }
  return { status, headers, body: rest.join('\r\n\r\n') };
}
