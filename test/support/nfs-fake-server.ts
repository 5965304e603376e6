/**
 * A scripted server of MOUNT and NFSv3 in memory, on one port. It keeps what was written UNSTABLE apart from what is
 * stable, so that a restart really loses it, and misbehaves as a test tells it to.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { XdrReader, XdrWriter } from '../../src/adapters/nfs/wire/xdr.ts';

const NFS = 100_003;
const MOUNT = 100_005;

export const PROCEDURES = {
  getattr: 1,
  setattr: 2,
  lookup: 3,
  access: 4,
  read: 6,
  write: 7,
  create: 8,
  remove: 12,
  rename: 14,
  readdirplus: 17,
  fsstat: 18,
  fsinfo: 19,
  pathconf: 20,
  commit: 21,
} as const;
export type Procedure = keyof typeof PROCEDURES;

const NAMES = new Map<number, Procedure>(
  Object.entries(PROCEDURES).map(([name, number]) => [number, name as Procedure]),
);

/** What to do with a call instead of answering it. */
export type Misdeed =
  /** Executed or not, nobody hears of it. */
  | { readonly kind: 'ignore' }
  | { readonly kind: 'close'; readonly execute: boolean }
  | { readonly kind: 'status'; readonly status: number }
  /** At most so many bytes of a READ or WRITE. */
  | { readonly kind: 'short'; readonly bytes: number }
  /** What goes out instead of the marked record. */
  | { readonly kind: 'bytes'; readonly of: (record: Buffer) => Buffer; readonly close?: boolean }
  /** The verifier changes, and unstable data is gone, on a connection that stands. */
  | { readonly kind: 'forget' };

interface FakeFile {
  readonly id: number;
  stable: Buffer;
  now: Buffer;
  verifier: string;
}

export interface SeenCall {
  readonly procedure: Procedure | 'null' | 'mount';
  readonly xid: number;
  /** Of READ, WRITE and COMMIT. */
  readonly offset: number;
  readonly count: number;
}

export class FakeNfsServer {
  readonly seen: SeenCall[] = [];
  readonly files = new Map<string, FakeFile>();
  misdeed: (call: SeenCall) => Misdeed | undefined = () => undefined;
  /** Of FSINFO. */
  transferMost = 65_536;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #verifier = Buffer.from('verifier');
  #verifiers = 0;
  #ids = 100;
  #port = 0;

  constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  listen(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.listen(this.#port, '127.0.0.1', () => {
        const address = this.#server.address();
        if (address !== null && typeof address !== 'string') this.#port = address.port;
        resolve();
      });
    });
  }

  /** What dies with a server: connections, and data that is not stable. */
  restart(): void {
    this.forget();
    this.disconnect();
  }

  forget(): void {
    for (const file of this.files.values()) file.now = Buffer.from(file.stable);
    this.#verifiers += 1;
    this.#verifier = Buffer.from(`verify${String(this.#verifiers).padStart(2, '0')}`);
  }

  disconnect(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.disconnect();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  count(procedure: SeenCall['procedure']): number {
    return this.seen.filter((call) => call.procedure === procedure).length;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    let bytes: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      for (;;) {
        if (bytes.length < 4) return;
        const length = bytes.readUInt32BE(0) & 0x7fff_ffff;
        if (bytes.length < 4 + length) return;
        const record = bytes.subarray(4, 4 + length);
        bytes = bytes.subarray(4 + length);
        if (!socket.destroyed) this.#answer(socket, record);
      }
    });
  }

  #answer(socket: Socket, record: Buffer): void {
    const reader = new XdrReader(record, 0, record.length);
    const xid = reader.u32();
    reader.skip(8);
    const program = reader.u32();
    reader.skip(4);
    const procedure = reader.u32();
    for (let auth = 0; auth < 2; auth += 1) {
      reader.skip(4);
      reader.opaque(400);
    }
    const call = this.#look(program, procedure, xid, record, reader.at);
    this.seen.push(call);
    const misdeed = program === NFS ? this.misdeed(call) : undefined;
    if (misdeed?.kind === 'forget') this.forget();
    if (misdeed?.kind === 'close' && !misdeed.execute) {
      socket.destroy();
      return;
    }
    const reply = new XdrWriter().u32(xid).u32(1).u32(0).u32(0).u32(0).u32(0);
    const limit = misdeed?.kind === 'short' ? misdeed.bytes : Number.POSITIVE_INFINITY;
    if (misdeed?.kind === 'status') reply.u32(misdeed.status).bool(false).bool(false);
    else this.#execute(program, procedure, reader, reply, limit);
    if (misdeed?.kind === 'ignore') return;
    if (misdeed?.kind === 'close') {
      socket.destroy();
      return;
    }
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE(0x8000_0000 + reply.length);
    const marked = Buffer.concat([mark, reply.bytes()]);
    if (misdeed?.kind !== 'bytes') socket.write(marked);
    else {
      socket.write(misdeed.of(marked));
      if (misdeed.close === true) socket.end();
    }
  }

  #look(program: number, procedure: number, xid: number, record: Buffer, at: number): SeenCall {
    if (procedure === 0) return { procedure: 'null', xid, offset: 0, count: 0 };
    const name = program === NFS ? NAMES.get(procedure) : 'mount';
    if (name === undefined) throw new Error(`procedure ${program}.${procedure}`);
    const reader = new XdrReader(record, at, record.length);
    reader.opaque(64);
    const data = name === 'read' || name === 'write' || name === 'commit';
    const [offset, count] = data ? [reader.u64(), reader.u32()] : [0, 0];
    return { procedure: name, xid, offset, count };
  }

  #execute(
    program: number,
    procedure: number,
    reader: XdrReader,
    reply: XdrWriter,
    limit: number,
  ): void {
    if (procedure === 0) return;
    if (program === MOUNT) {
      if (procedure === 1) reply.u32(0).opaque(Buffer.from('/')).u32(1).u32(1);
      else if (procedure === 5) reply.bool(true).text('/fake').bool(false).bool(false);
      return;
    }
    const name = NAMES.get(procedure);
    const handle = reader.opaque(64).toString();
    const file = this.#byHandle(handle);
    switch (name) {
      case 'getattr':
        if (handle !== '/' && file === undefined) reply.u32(70);
        else attributes(reply.u32(0), file);
        return;
      case 'setattr':
        this.#setAttributes(reader, reply, file);
        return;
      case 'lookup': {
        const found = this.files.get(reader.text(255));
        if (found === undefined) reply.u32(2).bool(false);
        else attributes(reply.u32(0).opaque(handleOf(found)).bool(true), found).bool(false);
        return;
      }
      case 'access':
        reply.u32(0).bool(false).u32(reader.u32());
        return;
      case 'fsinfo': {
        const most = this.transferMost;
        reply.u32(0).bool(false).u32(most).u32(most).u32(1).u32(most).u32(most).u32(1).u32(4096);
        reply
          .u64(2 ** 50)
          .u64(0)
          .u32(0);
        return;
      }
      case 'pathconf':
        reply.u32(0).bool(false).u32(1).u32(255).bool(true).bool(true).bool(false).bool(true);
        return;
      case 'fsstat':
        reply
          .u32(0)
          .bool(false)
          .u64(2 ** 40)
          .u64(2 ** 39)
          .u64(2 ** 39)
          .u64(0)
          .u64(0)
          .u64(0)
          .u32(0);
        return;
      case 'read':
      case 'write':
      case 'commit':
        if (file === undefined) reply.u32(70).bool(false).bool(false);
        else this.#data(name, file, reader, reply, limit);
        return;
      default:
        this.#names(name, reader, reply);
    }
  }

  #data(name: Procedure, file: FakeFile, reader: XdrReader, reply: XdrWriter, limit: number): void {
    const offset = reader.u64();
    const count = Math.min(reader.u32(), limit);
    if (name === 'read') {
      const bytes = file.now.subarray(offset, offset + count);
      const end = offset + count >= file.now.length;
      attributes(reply.u32(0).bool(true), file).u32(bytes.length).bool(end).opaque(bytes);
      return;
    }
    if (name === 'commit') {
      file.stable = Buffer.from(file.now);
      reply.u32(0).bool(false).bool(false).fixed(this.#verifier);
      return;
    }
    const stable = reader.u32();
    const bytes = reader.opaque(2 ** 21).subarray(0, count);
    if (offset + bytes.length > file.now.length) {
      file.now = resized(file.now, offset + bytes.length);
      file.stable = resized(file.stable, offset + bytes.length);
    }
    bytes.copy(file.now, offset);
    if (stable > 0) bytes.copy(file.stable, offset);
    reply.u32(0).bool(false).bool(false).u32(bytes.length).u32(stable).fixed(this.#verifier);
  }

  #setAttributes(reader: XdrReader, reply: XdrWriter, file: FakeFile | undefined): void {
    if (reader.bool()) reader.u32();
    reader.skip(8);
    const size = reader.bool() ? reader.u64() : undefined;
    if (file !== undefined && size !== undefined) {
      file.now = resized(file.now, size);
      file.stable = resized(file.stable, size);
    }
    reply
      .u32(file === undefined ? 70 : 0)
      .bool(false)
      .bool(false);
  }

  #names(name: Procedure | undefined, reader: XdrReader, reply: XdrWriter): void {
    if (name === 'create') {
      const wanted = reader.text(255);
      reader.skip(4);
      const verifier = reader.fixed(8).toString('hex');
      const found = this.files.get(wanted);
      if (found !== undefined && found.verifier !== verifier) {
        reply.u32(17).bool(false).bool(false);
        return;
      }
      if (found === undefined) this.add(wanted, Buffer.alloc(0), verifier);
      reply.u32(0).bool(false).bool(false).bool(false).bool(false);
    } else if (name === 'remove') {
      reply
        .u32(this.files.delete(reader.text(255)) ? 0 : 2)
        .bool(false)
        .bool(false);
    } else if (name === 'rename') {
      const from = reader.text(255);
      reader.opaque(64);
      const file = this.files.get(from);
      this.files.delete(from);
      if (file !== undefined) this.files.set(reader.text(255), file);
      reply
        .u32(file === undefined ? 2 : 0)
        .bool(false)
        .bool(false)
        .bool(false)
        .bool(false);
    } else {
      reply.u32(0).bool(false).fixed(Buffer.alloc(8));
      for (const [entry, file] of this.files) {
        reply.bool(true).u64(file.id).text(entry).u64(file.id);
        attributes(reply.bool(true), file).bool(true).opaque(handleOf(file));
      }
      reply.bool(false).bool(true);
    }
  }

  add(name: string, content: Buffer, verifier = ''): FakeFile {
    this.#ids += 1;
    const file = { id: this.#ids, stable: Buffer.from(content), now: content, verifier };
    this.files.set(name, file);
    return file;
  }

  #byHandle(handle: string): FakeFile | undefined {
    return [...this.files.values()].find((file) => String(file.id) === handle);
  }
}

/** Memory of files that have room to grow: zeroes, so far. */
const roomy = new WeakSet<ArrayBufferLike>();

/** Of a file that grows write by write, not all of it is copied each time. */
function resized(bytes: Buffer, size: number): Buffer {
  const { buffer, byteOffset, length } = bytes;
  if (size >= length && roomy.has(buffer) && size <= buffer.byteLength) {
    return Buffer.from(buffer, byteOffset, size);
  }
  const memory = new ArrayBuffer(size > length ? 2 * size : size);
  const copy = Buffer.from(memory, 0, size);
  bytes.copy(copy);
  roomy.add(memory);
  return copy;
}

/** Compares the bytes with themselves, one further: memcmp is faster than any loop of ours. */
function isZero(bytes: Buffer): boolean {
  return (bytes[0] ?? 0) === 0 && bytes.subarray(1).equals(bytes.subarray(0, -1));
}

function handleOf(file: FakeFile): Buffer {
  return Buffer.from(String(file.id));
}

function attributes(reply: XdrWriter, file: FakeFile | undefined): XdrWriter {
  const size = file?.now.length ?? 4096;
  const used = file === undefined || isZero(file.now) ? 0 : size;
  reply
    .u32(file === undefined ? 2 : 1)
    .u32(0o644)
    .u32(1)
    .u32(0)
    .u32(0)
    .u64(size)
    .u64(used);
  return reply
    .u64(0)
    .u64(7)
    .u64(file?.id ?? 1)
    .u64(0)
    .u64(0)
    .u64(0);
}
