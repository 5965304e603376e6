/**
 * A way to an NFS server by version 3 on which every answer is late, and that counts what is asked: what a repository
 * is asked for is known without the server's help, and whatever this host's kernel can do to packets.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';

/** RFC 1813: the program, and its procedure 6. */
const NFS_PROGRAM = 100_003;
const READ = 6;
/** What is shorter is not of a disk: the file that says who owns the repository is read again and again. */
const SECTOR_BYTES = 512;
/** What is remembered of what was read. */
const CHUNK_BYTES = 64 * 1024;

export class LateNfs {
  readonly port: number;
  /** Calls of READ of disks so far, and the bytes that they asked for. */
  reads = 0;
  readBytes = 0;
  /** … of which some had been read before. */
  readsAgain = 0;
  readonly #seen = new Set<string>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  /**
   * @param lateMs milliseconds by which each piece of an answer is late
   * @param listenOn the address that it is reached by
   */
  static async start(
    target: { readonly host: string; readonly port: number },
    lateMs: number,
    listenOn = '127.0.0.1',
  ): Promise<LateNfs> {
    let proxy: LateNfs | undefined;
    const server = createServer((near) => proxy?.accept(near, connect(target), lateMs));
    await new Promise<void>((resolve) => server.listen(0, listenOn, resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    proxy = new LateNfs(server, address.port);
    return proxy;
  }

  private accept(near: Socket, far: Socket, lateMs: number): void {
    const calls = new RecordCounter((call) => this.#count(call));
    near.on('data', (bytes: Buffer) => {
      calls.push(bytes);
      far.write(bytes);
    });
    // Timers of one length fire in the order in which they were set.
    const answer = (bytes: Buffer): boolean => near.writable && near.write(bytes);
    far.on('data', (bytes: Buffer) => {
      if (lateMs === 0) answer(bytes);
      else setTimeout(() => answer(bytes), lateMs);
    });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => {});
      from.on('close', () => {
        this.#sockets.delete(from);
        setTimeout(() => to.destroy(), lateMs);
      });
    }
  }

  #count(call: Buffer): void {
    // RFC 5531 §9: xid, CALL, RPC version, program, version, procedure, two authenticators; RFC 1813 §3.3.6.
    if (call.readUInt32BE(12) !== NFS_PROGRAM || call.readUInt32BE(20) !== READ) return;
    const bytes = call.readUInt32BE(call.length - 4);
    if (bytes < SECTOR_BYTES) return;
    this.reads += 1;
    this.readBytes += bytes;
    if (this.#hadBeenRead(call, bytes)) this.readsAgain += 1;
  }

  /** From now on nothing has been read before. */
  forget(): void {
    this.#seen.clear();
  }

  #hadBeenRead(call: Buffer, bytes: number): boolean {
    // RFC 1813 §3.3.6 ends with the file, an offset of 64 bits, a count; RFC 5531 §8.2 has the authenticators before it.
    const verifier = afterOpaque(call, 28);
    const file = call.toString('hex', afterOpaque(call, verifier + 4), call.length - 12);
    const offset = Number(call.readBigUInt64BE(call.length - 12));
    let again = false;
    for (let at = Math.floor(offset / CHUNK_BYTES); at * CHUNK_BYTES < offset + bytes; at++) {
      const chunk = `${file} ${at}`;
      again ||= this.#seen.has(chunk);
      this.#seen.add(chunk);
    }
    return again;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** Where what follows it begins. @param at of its length */
function afterOpaque(call: Buffer, at: number): number {
  return at + 4 + 4 * Math.ceil(call.readUInt32BE(at) / 4);
}

/** Records of RPC over TCP (RFC 5531 §11), each in one fragment; only the small ones, READs among them, are told. */
class RecordCounter {
  readonly #tell: (record: Buffer) => void;
  #bytes = Buffer.alloc(0);

  constructor(tell: (record: Buffer) => void) {
    this.#tell = tell;
  }

  push(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    while (this.#bytes.length >= 4) {
      const length = this.#bytes.readUInt32BE(0) & 0x7fffffff;
      if (this.#bytes.length < 4 + length) return;
      const record = this.#bytes.subarray(4, 4 + length);
      if (length >= 40 && length < 1024) this.#tell(record);
      this.#bytes = this.#bytes.subarray(4 + length);
    }
  }
}
