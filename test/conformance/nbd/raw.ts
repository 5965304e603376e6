/**
 * Bytes and sockets of the conformance suite, written from the protocol document alone. Nothing in this
 * folder imports src/: a codec that is wrong in both directions must not be able to agree with itself.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

/** The server did not do what the document asks. */
export class Nonconformance extends Error {
  override readonly name = 'Nonconformance';
}

export function must(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Nonconformance(message);
}

export function mustEqual(actual: unknown, expected: unknown, what: string): void {
  must(actual === expected, `${what}: expected ${show(expected)}, got ${show(actual)}`);
}

function show(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint')
    return `${value} (0x${value.toString(16)})`;
  return String(value);
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** A string behind its 32-bit length, as options carry it. */
export function text32(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u32(bytes.length), bytes]);
}

/** A socket read in exact pieces. Every wait ends after `patience` milliseconds. */
export class Wire {
  readonly #patience: number;
  #socket: Socket;
  #received: Buffer[] = [];
  #length = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket, patience: number) {
    this.#socket = socket;
    this.#patience = patience;
    this.#listen();
  }

  static open(address: Address, patience: number): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket =
        'path' in address
          ? connectTcp({ path: address.path })
          : connectTcp({ host: address.host, port: address.port, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Wire(socket, patience));
      });
    });
  }

  /** A socket that is connected already, of either side. */
  static over(socket: Socket, patience: number): Wire {
    return new Wire(socket, patience);
  }

  #listen(): void {
    const ended = () => {
      this.#ended = true;
      this.#wake?.();
    };
    this.#socket.on('data', (bytes: Buffer) => {
      this.#received.push(bytes);
      this.#length += bytes.length;
      this.#wake?.();
    });
    this.#socket.on('end', ended);
    this.#socket.on('close', ended);
    this.#socket.on('error', ended); // a reset is an end, too
  }

  send(...parts: readonly Buffer[]): void {
    if (this.#socket.writable) this.#socket.write(Buffer.concat(parts));
  }

  /** In pieces of one byte, each a segment of its own as far as the system allows. */
  async dribble(bytes: Buffer): Promise<void> {
    for (let index = 0; index < bytes.length; index += 1) {
      const piece = bytes.subarray(index, index + 1);
      await new Promise((resolve) => this.#socket.write(piece, resolve));
    }
  }

  async read(length: number): Promise<Buffer> {
    while (this.#length < length) {
      if (this.#ended) {
        throw new Nonconformance(`the server closed after ${this.#length} of ${length} bytes`);
      }
      must(await this.#event(), `silence after ${this.#length} of ${length} bytes`);
    }
    const all = this.#received.length === 1 ? this.#received[0]! : Buffer.concat(this.#received);
    const rest = all.subarray(length);
    this.#received = rest.length > 0 ? [rest] : [];
    this.#length = rest.length;
    return all.subarray(0, length);
  }

  /** The server closes, and sends nothing more before it does. */
  async closed(): Promise<void> {
    while (!this.#ended) must(await this.#event(), 'the server did not close the connection');
    must(
      this.#length === 0,
      `${this.#length} unexpected bytes before the connection was closed: ${this.#preview()}`,
    );
  }

  /** The server closes; what it still sent is returned. */
  async drain(): Promise<Buffer> {
    while (!this.#ended) must(await this.#event(), 'the server did not close the connection');
    return Buffer.concat(this.#received);
  }

  get pending(): number {
    return this.#length;
  }

  #preview(): string {
    return Buffer.concat(this.#received).subarray(0, 32).toString('hex');
  }

  #event(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#wake = undefined;
        resolve(false);
      }, this.#patience);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve(true);
      };
    });
  }

  /** Upgrades; rejects with the TLS library's error when the handshake fails. */
  async startTls(options: ConnectionOptions): Promise<void> {
    const plain = this.#socket;
    for (const event of ['data', 'end', 'close', 'error']) plain.removeAllListeners(event);
    plain.on('error', () => {});
    const secure = connectTls({ ...options, socket: plain });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error('the TLS handshake did not finish')),
        this.#patience,
      );
      const settle = (action: () => void) => () => {
        clearTimeout(timer);
        action();
      };
      secure.once('secureConnect', settle(resolve));
      secure.once('error', (error) => settle(() => reject(error))());
      secure.once(
        'close',
        settle(() => reject(new Error('closed during the TLS handshake'))),
      );
    });
    secure.removeAllListeners('error');
    secure.removeAllListeners('close');
    this.#socket = secure;
    this.#listen();
  }

  /** Closes our direction and lets the other side finish. */
  end(): void {
    this.#socket.end();
  }

  /** The rude way: a reset where the system has one. */
  reset(): void {
    if ('resetAndDestroy' in this.#socket && this.#socket.constructor.name === 'Socket') {
      try {
        this.#socket.resetAndDestroy();
        return;
      } catch {
        // not a TCP socket
      }
    }
    this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Stops taking bytes from the system, so that the server's replies pile up. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}
