/** A server that says whatever a test wants it to say, built of raw bytes. */
import { createServer, type Socket } from 'node:net';
import { u16, u32, u64, Wire } from '../conformance/nbd/raw.ts';
import {
  EXTENDED_REPLY_MAGIC,
  FLAG,
  IHAVEOPT,
  INFO,
  NBDMAGIC,
  OPT,
  OPTION_REPLY_MAGIC,
  REP,
  REP_ERR,
  REPLY_FLAG_DONE,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from '../conformance/nbd/values.ts';

export type Style = 'simple' | 'structured' | 'extended';

export interface FakeServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Each connection runs `script`; it is closed when the script ends, unless that threw. */
export async function fakeServer(
  script: (wire: Wire) => Promise<void>,
  patience = 5_000,
): Promise<FakeServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    // A client that gives up half-way is what most tests want to see.
    void script(Wire.over(socket, patience)).then(
      () => socket.end(),
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

export const greeting = (flags = 3) => Buffer.concat([u64(NBDMAGIC), u64(IHAVEOPT), u16(flags)]);

export function optionReply(option: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([u64(OPTION_REPLY_MAGIC), u32(option), u32(type), u32(data.length), data]);
}

export const infoExport = (size: number | bigint, flags: number) =>
  Buffer.concat([u16(INFO.EXPORT), u64(size), u16(flags)]);

export const infoBlockSize = (minimum: number, preferred: number, maximum: number) =>
  Buffer.concat([u16(INFO.BLOCK_SIZE), u32(minimum), u32(preferred), u32(maximum)]);

export interface ReceivedOption {
  readonly option: number;
  readonly data: Buffer;
}

export async function readOption(wire: Wire): Promise<ReceivedOption> {
  const header = await wire.read(16);
  const length = header.readUInt32BE(12);
  return { option: header.readUInt32BE(8), data: await wire.read(length) };
}

export interface FakeExport {
  readonly style: Style;
  readonly size?: number;
  readonly flags?: number;
  /** Selected contexts, ids from 1. */
  readonly contexts?: readonly string[];
  /** Replies to GO in place of a sound NBD_INFO_EXPORT and ACK. */
  readonly go?: readonly Buffer[];
}

export const SIZE = 1 << 20;

const EVERYTHING =
  FLAG.HAS_FLAGS |
  FLAG.SEND_FLUSH |
  FLAG.SEND_FUA |
  FLAG.SEND_TRIM |
  FLAG.SEND_WRITE_ZEROES |
  FLAG.SEND_DF |
  FLAG.SEND_CACHE |
  FLAG.SEND_FAST_ZERO;

/** An honest handshake up to the acknowledged GO. */
export async function honestHandshake(wire: Wire, fake: FakeExport): Promise<void> {
  wire.send(greeting());
  await wire.read(4);
  for (;;) {
    const { option } = await readOption(wire);
    const ack = optionReply(option, REP.ACK);
    if (option === OPT.EXTENDED_HEADERS && fake.style === 'extended') wire.send(ack);
    else if (option === OPT.STRUCTURED_REPLY && fake.style === 'structured') wire.send(ack);
    else if (option === OPT.SET_META_CONTEXT) {
      const replies = (fake.contexts ?? []).map((name, index) =>
        optionReply(option, REP.META_CONTEXT, Buffer.concat([u32(index + 1), Buffer.from(name)])),
      );
      wire.send(...replies, ack);
    } else if (option === OPT.GO) {
      const info = infoExport(fake.size ?? SIZE, fake.flags ?? EVERYTHING);
      wire.send(...(fake.go ?? [optionReply(option, REP.INFO, info), ack]));
      return;
    } else wire.send(optionReply(option, REP_ERR.UNSUP));
  }
}

export interface ReceivedRequest {
  readonly flags: number;
  readonly type: number;
  readonly cookie: bigint;
  readonly offset: bigint;
  readonly length: number;
  readonly payload: Buffer;
}

export async function readRequest(wire: Wire, style: Style): Promise<ReceivedRequest> {
  const extended = style === 'extended';
  const header = await wire.read(extended ? 32 : 28);
  const flags = header.readUInt16BE(4);
  const type = header.readUInt16BE(6);
  const length = extended ? Number(header.readBigUInt64BE(24)) : header.readUInt32BE(24);
  const hasPayload = extended ? (flags & 32) !== 0 : type === 1;
  const payload = hasPayload ? await wire.read(length) : Buffer.alloc(0);
  const [cookie, offset] = [header.readBigUInt64BE(8), header.readBigUInt64BE(16)];
  return { flags, type, cookie, offset, length, payload };
}

export const simpleReply = (cookie: bigint, error = 0, data: Buffer = Buffer.alloc(0)) =>
  Buffer.concat([u32(SIMPLE_REPLY_MAGIC), u32(error), u64(cookie), data]);

/** A chunk in the style of the connection. */
export function chunk(
  style: Style,
  request: ReceivedRequest,
  type: number,
  payload: Buffer = Buffer.alloc(0),
  flags: number = REPLY_FLAG_DONE,
): Buffer {
  const start = [u16(flags), u16(type), u64(request.cookie)];
  return style === 'extended'
    ? Buffer.concat([
        u32(EXTENDED_REPLY_MAGIC),
        ...start,
        u64(request.offset),
        u64(payload.length),
        payload,
      ])
    : Buffer.concat([u32(STRUCTURED_REPLY_MAGIC), ...start, u32(payload.length), payload]);
}

export const offsetData = (offset: number | bigint, data: Buffer) =>
  Buffer.concat([u64(offset), data]);

export const offsetHole = (offset: number | bigint, length: number) =>
  Buffer.concat([u64(offset), u32(length)]);

export const errorPayload = (error: number, message: string) =>
  Buffer.concat([u32(error), u16(message.length), Buffer.from(message)]);

export { u16, u32, u64, type Wire };
