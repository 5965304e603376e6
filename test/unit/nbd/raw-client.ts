/** A socket that speaks NBD byte by byte, so that a test can also say what no client should. */
import { connect, type Socket } from 'node:net';
import {
  decodeOptionReply,
  encodeClientFlags,
  encodeOption,
  type OptionBody,
  type ReceivedOptionReply,
  writeExtendedRequest,
  writeRequest,
} from '../../../src/nbd/wire/index.ts';

export class RawClient {
  readonly socket: Socket;
  #input = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#input = Buffer.concat([this.#input, chunk]);
      this.#wake();
    });
    const over = (): void => {
      this.#ended = true;
      this.#wake();
    };
    socket.on('end', over);
    socket.on('close', over);
    socket.on('error', over);
  }

  static async open(port: number, greet = true): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    const client = new RawClient(socket);
    if (greet) {
      await client.take(18);
      client.send(encodeClientFlags({ fixedNewstyle: true, noZeroes: true }));
    }
    return client;
  }

  send(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  /** Exactly `length` bytes; throws when the server closes first. */
  async take(length: number): Promise<Buffer> {
    while (this.#input.length < length) {
      if (this.#ended) throw new Error(`closed after ${this.#input.length} of ${length} bytes`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const bytes = this.#input.subarray(0, length);
    this.#input = this.#input.subarray(length);
    return bytes;
  }

  /** What came before the server closed. */
  async rest(): Promise<Buffer> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#input;
  }

  async optionReply(): Promise<ReceivedOptionReply> {
    const header = await this.take(20);
    const data = await this.take(header.readUInt32BE(16));
    const whole = Buffer.concat([header, data]);
    const decoded = decodeOptionReply(whole, 0, whole.length);
    if (decoded.kind !== 'option-reply') throw new Error(JSON.stringify(decoded));
    return decoded.body;
  }

  /** All replies to an option, the last one being the ack or the error. */
  async option(body: OptionBody): Promise<ReceivedOptionReply[]> {
    this.send(encodeOption(body));
    const replies: ReceivedOptionReply[] = [];
    for (;;) {
      const reply = await this.optionReply();
      replies.push(reply);
      if (reply.name === 'ack' || reply.name === 'error') return replies;
    }
  }

  async go(exportName = ''): Promise<void> {
    const replies = await this.option({ name: 'go', exportName, infos: [] });
    if (replies.at(-1)?.name !== 'ack') throw new Error(JSON.stringify(replies));
  }

  request(
    type: number,
    offset: number,
    length: number,
    options: { flags?: number; cookie?: number; payload?: Buffer } = {},
  ): void {
    const header = Buffer.alloc(28);
    const { flags = 0, cookie = 1, payload } = options;
    writeRequest(header, 0, { flags, type, cookieHigh: 0, cookieLow: cookie, offset, length });
    this.send(payload === undefined ? header : Buffer.concat([header, payload]));
  }

  extendedRequest(
    type: number,
    offset: number,
    length: number,
    options: { flags?: number; cookie?: number; payload?: Buffer } = {},
  ): void {
    const header = Buffer.alloc(32);
    const { flags = 0, cookie = 1, payload } = options;
    writeExtendedRequest(header, 0, {
      flags,
      type,
      cookieHigh: 0,
      cookieLow: cookie,
      offset,
      length,
    });
    this.send(payload === undefined ? header : Buffer.concat([header, payload]));
  }

  /** A simple reply without data. */
  async simple(): Promise<{ error: number; cookie: number }> {
    const header = await this.take(16);
    if (header.readUInt32BE(0) !== 0x67446698) throw new Error('not a simple reply');
    return { error: header.readUInt32BE(4), cookie: header.readInt32BE(12) };
  }

  async chunk(): Promise<{ done: boolean; type: number; cookie: number; payload: Buffer }> {
    const header = await this.take(20);
    if (header.readUInt32BE(0) !== 0x668e33ef) throw new Error('not a structured reply');
    return {
      done: (header.readUInt16BE(4) & 1) !== 0,
      type: header.readUInt16BE(6),
      cookie: header.readInt32BE(12),
      payload: await this.take(header.readUInt32BE(16)),
    };
  }

  close(): void {
    this.socket.destroy();
  }
}
