/**
 * XDR (RFC 4506). The reader is total: what is not there, or longer than allowed, makes it `ok: false` and reads as
 * zeroes from then on; a decoder looks at `ok` once, at its end. Nothing is allocated for a length that
 * is not there.
 */

const TWO_32 = 2 ** 32;

/** Bytes of padding behind `length` bytes (RFC 4506, section 3). */
export function paddingOf(length: number): number {
  return (4 - (length & 3)) & 3;
}

export class XdrReader {
  buffer: Buffer;
  at: number;
  end: number;
  ok = true;

  constructor(buffer: Buffer, start: number, end: number) {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
  }

  /** The same reader over other bytes. */
  reset(buffer: Buffer, start: number, end: number): this {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
    this.ok = true;
    return this;
  }

  fail(): void {
    this.ok = false;
    this.at = this.end;
  }

  u32(): number {
    const { at } = this;
    if (at + 4 > this.end) {
      this.fail();
      return 0;
    }
    this.at = at + 4;
    return this.buffer.readUInt32BE(at);
  }

  /** A hyper as the nearest double: sizes and offsets. */
  u64(): number {
    const high = this.u32();
    return high * TWO_32 + this.u32();
  }

  /** A hyper of which every bit counts, as 16 hexadecimal digits. */
  hex64(): string {
    return this.fixed(8).toString('hex').padEnd(16, '0');
  }

  /** Anything but 0 and 1 is an error (section 4.4). */
  bool(): boolean {
    const value = this.u32();
    if (value > 1) this.fail();
    return value === 1;
  }

  /** A view; empty when the bytes are not there. */
  fixed(length: number): Buffer {
    const start = this.at;
    this.skip(length + paddingOf(length));
    return this.ok ? this.buffer.subarray(start, start + length) : this.buffer.subarray(0, 0);
  }

  skip(length: number): void {
    if (this.at + length > this.end) this.fail();
    else this.at += length;
  }

  /** The length word of an opaque value of at most `limit` bytes; 0 when it is longer. */
  length(limit: number): number {
    const length = this.u32();
    if (length <= limit) return length;
    this.fail();
    return 0;
  }

  /** A view of a variable-length value. */
  opaque(limit: number): Buffer {
    return this.fixed(this.length(limit));
  }

  text(limit: number): string {
    return this.opaque(limit).toString('utf8');
  }
}

/** Builds the arguments of calls that are not on the data path. */
export class XdrWriter {
  #buffer: Buffer;
  #at = 0;

  constructor(bytes = 256) {
    this.#buffer = Buffer.allocUnsafe(bytes);
  }

  get length(): number {
    return this.#at;
  }

  u32(value: number): this {
    this.#room(4);
    this.#at = this.#buffer.writeUInt32BE(value >>> 0, this.#at);
    return this;
  }

  /** @param value a safe integer */
  u64(value: number): this {
    return this.u32(Math.floor(value / TWO_32)).u32(value % TWO_32);
  }

  bool(value: boolean): this {
    return this.u32(value ? 1 : 0);
  }

  fixed(bytes: Uint8Array): this {
    const padding = paddingOf(bytes.length);
    this.#room(bytes.length + padding);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
    this.#buffer.fill(0, this.#at, this.#at + padding);
    this.#at += padding;
    return this;
  }

  opaque(bytes: Uint8Array): this {
    return this.u32(bytes.length).fixed(bytes);
  }

  text(text: string): this {
    return this.opaque(Buffer.from(text, 'utf8'));
  }

  /** What was written so far; valid until the next write. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#at);
  }

  #room(more: number): void {
    if (this.#at + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + more));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}

/** Writes a hyper in place. @param value a safe integer */
export function writeU64(target: Buffer, at: number, value: number): number {
  target.writeUInt32BE(Math.floor(value / TWO_32), at);
  return target.writeUInt32BE(value % TWO_32, at + 4);
}
