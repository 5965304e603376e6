/**
 * One connection of a conformance case: option haggling and transmission, checking on the way what must
 * hold of every single message (magics, cookies, lengths, DONE), so that a case only says what is special.
 */
import { type Address, must, mustEqual, text32, u16, u32, u64, Wire } from './raw.ts';
import {
  type Chunk,
  checkChunk,
  type Reply,
  type ReplyStyle,
  type Request,
  replyHeaderLength,
} from './reply.ts';
import {
  CMD,
  CMD_FLAG,
  EXTENDED_REQUEST_MAGIC,
  HANDSHAKE,
  IHAVEOPT,
  INFO,
  NBDMAGIC,
  OPT,
  OPTION_REPLY_MAGIC,
  REP,
  REPLY_FLAG_DONE,
  REQUEST_MAGIC,
} from './values.ts';

export interface OptionReply {
  readonly type: number;
  readonly data: Buffer;
}

export interface ExportFacts {
  readonly size: number;
  readonly flags: number;
  /** INFO replies by type, NBD_INFO_EXPORT included. */
  readonly infos: ReadonlyMap<number, Buffer>;
}

const ERROR_BIT = 0x80000000;

export const isError = (type: number): boolean => type >= ERROR_BIT;

export function optionHeader(option: number, length: number): Buffer {
  return Buffer.concat([u64(IHAVEOPT), u32(option), u32(length)]);
}

export function infoData(name: string | Buffer, infos: readonly number[]): Buffer {
  return Buffer.concat([text32(name), u16(infos.length), ...infos.map(u16)]);
}

export function metaData(name: string, queries: readonly string[]): Buffer {
  return Buffer.concat([
    text32(name),
    u32(queries.length),
    ...queries.map((query) => text32(query)),
  ]);
}

export class Session {
  readonly wire: Wire;
  style: ReplyStyle = 'simple';
  #nextCookie = 0x5eed_0000_0000_0001n;
  /** Requests without a final reply, by cookie. */
  readonly #open = new Map<bigint, { request: Request; chunks: Chunk[] }>();

  constructor(wire: Wire) {
    this.wire = wire;
  }

  static async open(address: Address, patience: number): Promise<Session> {
    return new Session(await Wire.open(address, patience));
  }

  /** The server's half of the greeting: its handshake flags. */
  async hello(): Promise<number> {
    const bytes = await this.wire.read(18);
    mustEqual(bytes.readBigUInt64BE(0), NBDMAGIC, 'INIT_PASSWD');
    mustEqual(bytes.readBigUInt64BE(8), IHAVEOPT, 'newstyle magic');
    return bytes.readUInt16BE(16);
  }

  async greet(clientFlags: number = HANDSHAKE.FIXED_NEWSTYLE | HANDSHAKE.NO_ZEROES): Promise<void> {
    await this.hello();
    this.wire.send(u32(clientFlags));
  }

  sendOption(option: number, data: Buffer = Buffer.alloc(0)): void {
    this.wire.send(optionHeader(option, data.length), data);
  }

  async optionReply(option: number): Promise<OptionReply> {
    const header = await this.wire.read(20);
    mustEqual(header.readBigUInt64BE(0), OPTION_REPLY_MAGIC, 'option reply magic');
    mustEqual(header.readUInt32BE(8), option, 'the option that the reply echoes');
    const type = header.readUInt32BE(12);
    const length = header.readUInt32BE(16);
    must(length <= 1 << 20, `an option reply of ${length} bytes`);
    const data = length > 0 ? await this.wire.read(length) : Buffer.alloc(0);
    if (type === REP.ACK) mustEqual(length, 0, 'length of NBD_REP_ACK');
    if (isError(type)) checkText(data, 'message of an error reply');
    return { type, data };
  }

  /** Every reply up to and including the final one (ACK or an error). */
  async option(option: number, data?: Buffer): Promise<OptionReply[]> {
    this.sendOption(option, data);
    return this.optionReplies(option);
  }

  async optionReplies(option: number): Promise<OptionReply[]> {
    const replies: OptionReply[] = [];
    for (;;) {
      const reply = await this.optionReply(option);
      replies.push(reply);
      if (reply.type === REP.ACK || isError(reply.type)) return replies;
      must(replies.length < 100_000, 'an endless list of replies');
    }
  }

  /** The type of the final reply. */
  async optionResult(option: number, data?: Buffer): Promise<number> {
    return (await this.option(option, data)).at(-1)!.type;
  }

  /** The option must succeed; its replies without the ACK. */
  async optionOk(option: number, data?: Buffer): Promise<OptionReply[]> {
    const replies = await this.option(option, data);
    mustEqual(replies.at(-1)!.type, REP.ACK, `final reply to option ${option}`);
    return replies.slice(0, -1);
  }

  async negotiate(style: ReplyStyle): Promise<void> {
    if (style === 'structured') await this.optionOk(OPT.STRUCTURED_REPLY);
    if (style === 'extended') await this.optionOk(OPT.EXTENDED_HEADERS);
    this.style = style;
  }

  /** SET_META_CONTEXT; the ids by context name. */
  async setMeta(name: string, queries: readonly string[]): Promise<Map<string, number>> {
    const replies = await this.optionOk(OPT.SET_META_CONTEXT, metaData(name, queries));
    return contextsOf(replies);
  }

  async info(option: number, name: string, infos: readonly number[]): Promise<ExportFacts> {
    return exportFactsOf(await this.optionOk(option, infoData(name, infos)));
  }

  go(name: string, infos: readonly number[] = []): Promise<ExportFacts> {
    return this.info(OPT.GO, name, infos);
  }

  /** EXPORT_NAME: size and flags, and the zeroes unless they were negotiated away. */
  async exportName(name: string, zeroes: boolean): Promise<ExportFacts> {
    this.sendOption(OPT.EXPORT_NAME, Buffer.from(name));
    const bytes = await this.wire.read(zeroes ? 134 : 10);
    must(
      bytes.subarray(10).every((byte) => byte === 0),
      'the 124 reserved bytes are not zero',
    );
    return {
      size: Number(bytes.readBigUInt64BE(0)),
      flags: bytes.readUInt16BE(8),
      infos: new Map(),
    };
  }

  encode(request: Request): { bytes: Buffer; cookie: bigint } {
    const cookie = request.cookie ?? this.#nextCookie++;
    const extended = this.style === 'extended';
    const { type, flags = 0, offset = 0, payload } = request;
    const length = request.length ?? payload?.length ?? 0;
    const header = Buffer.concat([
      u32(extended ? EXTENDED_REQUEST_MAGIC : REQUEST_MAGIC),
      u16(extended && payload !== undefined ? flags | CMD_FLAG.PAYLOAD_LEN : flags),
      u16(type),
      u64(cookie),
      u64(offset),
      extended ? u64(length) : u32(Number(length)),
    ]);
    const bytes = payload === undefined ? header : Buffer.concat([header, payload]);
    return { bytes, cookie };
  }

  /** Sends without waiting. Returns the cookie. */
  send(...requests: readonly Request[]): bigint[] {
    const encoded = requests.map((request) => {
      const { bytes, cookie } = this.encode(request);
      this.expect(cookie, request);
      return { bytes, cookie };
    });
    this.wire.send(...encoded.map(({ bytes }) => bytes));
    return encoded.map(({ cookie }) => cookie);
  }

  expect(cookie: bigint, request: Request): void {
    this.#open.set(cookie, { request, chunks: [] });
  }

  /** The next request to be finished, whichever it is. */
  async reply(): Promise<Reply> {
    for (;;) {
      const chunk = await this.#chunk();
      const open = this.#open.get(chunk.cookie);
      must(open !== undefined, `a reply with cookie 0x${chunk.cookie.toString(16)}, not in flight`);
      const { request, chunks } = open;
      chunks.push(chunk);
      checkChunk(chunk, BigInt(request.offset ?? 0));
      if ((chunk.flags & REPLY_FLAG_DONE) === 0) continue;
      this.#open.delete(chunk.cookie);
      const error = chunks.find(({ error }) => error !== 0)?.error ?? 0;
      return { cookie: chunk.cookie, error, style: chunk.style, chunks };
    }
  }

  async call(request: Request): Promise<Reply> {
    const [cookie] = this.send(request);
    const reply = await this.reply();
    mustEqual(reply.cookie, cookie, 'cookie');
    return reply;
  }

  async #chunk(): Promise<Chunk> {
    const magic = (await this.wire.read(4)).readUInt32BE(0);
    const { style, length } = replyHeaderLength(magic, this.style);
    const rest = await this.wire.read(length - 4);
    if (style === 'simple') {
      const error = rest.readUInt32BE(0);
      const cookie = rest.readBigUInt64BE(4);
      const request = this.#open.get(cookie)?.request;
      // "length bytes of data if the request is of type NBD_CMD_READ and error is zero"
      const data = request?.type === CMD.READ && error === 0 ? Number(request.length) : 0;
      if (request?.type === CMD.READ) mustEqual(this.style, 'simple', 'style of a reply to READ');
      const payload = data > 0 ? await this.wire.read(data) : Buffer.alloc(0);
      return { style, flags: REPLY_FLAG_DONE, type: 0, cookie, offset: undefined, error, payload };
    }
    const extended = style === 'extended';
    const payloadLength = extended ? Number(rest.readBigUInt64BE(20)) : rest.readUInt32BE(12);
    must(payloadLength <= 1 << 27, `a chunk of ${payloadLength} bytes`);
    const payload = payloadLength > 0 ? await this.wire.read(payloadLength) : Buffer.alloc(0);
    const type = rest.readUInt16BE(2);
    return {
      style,
      flags: rest.readUInt16BE(0),
      type,
      cookie: rest.readBigUInt64BE(4),
      offset: extended ? rest.readBigUInt64BE(12) : undefined,
      error: (type & 0x8000) !== 0 && payload.length >= 4 ? payload.readUInt32BE(0) : 0,
      payload,
    };
  }

  get openRequests(): number {
    return this.#open.size;
  }
}

/** UTF-8, no NUL, at most 4096 bytes ("Conventions"). */
export function checkText(bytes: Buffer, what: string): string {
  must(bytes.length <= 4096, `${what}: ${bytes.length} bytes, more than 4096`);
  must(!bytes.includes(0), `${what}: contains NUL`);
  const text = bytes.toString('utf8');
  must(Buffer.from(text).equals(bytes), `${what}: not UTF-8`);
  return text;
}

export function contextsOf(replies: readonly OptionReply[]): Map<string, number> {
  const contexts = new Map<string, number>();
  for (const { type, data } of replies) {
    mustEqual(type, REP.META_CONTEXT, 'reply type');
    must(data.length > 4, 'NBD_REP_META_CONTEXT without a name');
    const name = checkText(data.subarray(4), 'name of a metadata context');
    must(/^[^:\s]+:/u.test(name), `context ${name} has no namespace`);
    must(!contexts.has(name), `context ${name} twice`);
    contexts.set(name, data.readUInt32BE(0));
  }
  return contexts;
}

export function exportFactsOf(replies: readonly OptionReply[]): ExportFacts {
  const infos = new Map<number, Buffer>();
  for (const { type, data } of replies) {
    mustEqual(type, REP.INFO, 'reply type');
    must(data.length >= 2, 'NBD_REP_INFO without a type');
    const info = data.readUInt16BE(0);
    must(!infos.has(info), `information type ${info} twice`);
    infos.set(info, data.subarray(2));
  }
  const data = infos.get(INFO.EXPORT);
  must(data !== undefined, 'NBD_INFO_EXPORT is missing');
  mustEqual(data.length, 10, 'payload of NBD_INFO_EXPORT');
  return { size: Number(data.readBigUInt64BE(0)), flags: data.readUInt16BE(8), infos };
}
