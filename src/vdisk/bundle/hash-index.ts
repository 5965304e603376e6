/**
 * Which hashes are known, and a number for each: of a million of them and more, in little memory.
 *
 * The hashes themselves are in a file, in the order in which they were added. In memory is a table of 8 bytes
 * a slot: 32 bits of the hash, mixed, and where in the file it is. A slot that fits is compared with the file,
 * so the answer is exact; a hash that is not known costs no reading but once in some thousand times. The
 * table is in 256 parts, so that to enlarge one takes no time that anybody notices.
 *
 * The mixing has a salt: machines choose what is on their disks, and could otherwise choose hashes that
 * all want the same slot.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { type MaybePromise, writeAt } from '../../base/index.ts';
import { Fault } from '../../errors/index.ts';
import {
  HASH_INDEX_PAGE_ENTRIES,
  HASH_INDEX_PAGES_KEPT,
  HASH_INDEX_WRITE_ENTRIES,
} from './limits.ts';

const HASH_BYTES = 32;
const ENTRY_BYTES = HASH_BYTES + 8;
const PAGE_BYTES = HASH_INDEX_PAGE_ENTRIES * ENTRY_BYTES;
const PARTS = 256;
const PART_SLOTS = 16;
/** Share of a part's slots that are taken before it is enlarged. */
const FULL = 0.8;
const SALT_WORDS = 4;

export interface HashEntry {
  readonly hash: Buffer;
  readonly value: number;
}

interface Part {
  /** Two words a slot: bits of the hash, and the entry's place in the file, from 1; 0: free. */
  slots: Uint32Array;
  used: number;
}

interface Page {
  readonly number: number;
  readonly bytes: Buffer;
}

/** Asked by one caller at a time: each answer is waited for before the next question. */
export class HashIndex {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #most: number;
  readonly #salt: Uint32Array;
  readonly #parts: Part[] = Array.from({ length: PARTS }, () => ({
    slots: new Uint32Array(2 * PART_SLOTS),
    used: 0,
  }));
  readonly #pages: (Page | undefined)[] = Array.from({ length: HASH_INDEX_PAGES_KEPT });
  /** The newest entries, which are not in the file yet. */
  readonly #tail = Buffer.allocUnsafe(HASH_INDEX_WRITE_ENTRIES * ENTRY_BYTES);
  #inFile = 0;
  #count = 0;

  private constructor(path: string, handle: FileHandle, most: number, salt: Uint32Array) {
    this.#path = path;
    this.#handle = handle;
    this.#most = most;
    this.#salt = salt;
  }

  /**
   * @param path of its file, which must not exist
   * @param most hashes
   */
  static async create(
    path: string,
    most: number,
    salt: Buffer = randomBytes(4 * SALT_WORDS),
  ): Promise<HashIndex> {
    const words = Uint32Array.from({ length: SALT_WORDS }, (_, word) =>
      salt.readUInt32LE(4 * word),
    );
    return new HashIndex(path, await open(path, 'wx+', 0o600), most, words);
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= this.#most;
  }

  /** Bytes of the table and what is kept of the file. */
  get memoryBytes(): number {
    const slots = this.#parts.reduce((sum, part) => sum + part.slots.byteLength, 0);
    return slots + this.#tail.length + HASH_INDEX_PAGES_KEPT * PAGE_BYTES;
  }

  /** The number that the hash was added with; undefined when it was not. */
  find(hash: Buffer): MaybePromise<number | undefined> {
    const bits = this.#bitsOf(hash);
    return this.#findFrom(hash, bits, firstSlot(bits, this.#partOf(bits)));
  }

  /**
   * A hash that is not known yet.
   * @param value 0 to 2^53 - 1
   * @throws Fault LIMIT_EXCEEDED
   */
  add(hash: Buffer, value: number): MaybePromise<void> {
    if (this.isFull) {
      const details = {
        field: 'chunks',
        value: this.#count + 1,
        expected: `at most ${this.#most}`,
      };
      throw new Fault('LIMIT_EXCEEDED', `more than ${this.#most} distinct chunks`, details);
    }
    const at = (this.#count - this.#inFile) * ENTRY_BYTES;
    hash.copy(this.#tail, at, 0, HASH_BYTES);
    this.#tail.writeUInt32BE(Math.floor(value / 2 ** 32), at + HASH_BYTES);
    this.#tail.writeUInt32BE(value % 2 ** 32, at + HASH_BYTES + 4);
    this.#count += 1;
    const bits = this.#bitsOf(hash);
    const part = this.#partOf(bits);
    part.used += 1;
    if (part.used > FULL * (part.slots.length / 2)) enlarge(part);
    place(part.slots, bits, this.#count);
    return at + ENTRY_BYTES === this.#tail.length ? this.#writeTail() : undefined;
  }

  /** What was added from the entry `from` on up to `to`, in order. Nothing may be added meanwhile. */
  async *entries(from: number, to: number): AsyncGenerator<readonly HashEntry[]> {
    await this.#writeTail();
    for (let at = from; at < to; at += HASH_INDEX_WRITE_ENTRIES) {
      const count = Math.min(HASH_INDEX_WRITE_ENTRIES, to - at);
      const bytes = await this.#read(at, count);
      yield Array.from({ length: count }, (_, index) => entryIn(bytes, index * ENTRY_BYTES));
    }
  }

  /** Removes the file. */
  async close(): Promise<void> {
    await this.#handle.close();
    await rm(this.#path, { force: true });
  }

  #findFrom(hash: Buffer, bits: number, from: number): MaybePromise<number | undefined> {
    const { slots } = this.#partOf(bits);
    for (let slot = from; ; slot = nextSlot(slot, slots)) {
      const ordinal = slots[slot + 1] ?? 0;
      if (ordinal === 0) return undefined;
      if (slots[slot] !== bits) continue;
      const entry = this.#entryInMemory(ordinal - 1);
      if (entry === undefined) return this.#compareWithFile(hash, bits, slot, ordinal - 1);
      if (entry.hash.equals(hash)) return entry.value;
    }
  }

  async #compareWithFile(
    hash: Buffer,
    bits: number,
    slot: number,
    ordinal: number,
  ): Promise<number | undefined> {
    const number = Math.floor(ordinal / HASH_INDEX_PAGE_ENTRIES);
    const first = number * HASH_INDEX_PAGE_ENTRIES;
    const count = Math.min(HASH_INDEX_PAGE_ENTRIES, this.#inFile - first);
    const page = { number, bytes: await this.#read(first, count) };
    // A page that is not whole yet would be missed later.
    if (count === HASH_INDEX_PAGE_ENTRIES) this.#pages[number % HASH_INDEX_PAGES_KEPT] = page;
    const entry = entryIn(page.bytes, (ordinal - first) * ENTRY_BYTES);
    if (entry.hash.equals(hash)) return entry.value;
    return this.#findFrom(hash, bits, nextSlot(slot, this.#partOf(bits).slots));
  }

  #entryInMemory(ordinal: number): HashEntry | undefined {
    if (ordinal >= this.#inFile) return entryIn(this.#tail, (ordinal - this.#inFile) * ENTRY_BYTES);
    const number = Math.floor(ordinal / HASH_INDEX_PAGE_ENTRIES);
    const page = this.#pages[number % HASH_INDEX_PAGES_KEPT];
    if (page === undefined || page.number !== number) return undefined;
    return entryIn(page.bytes, (ordinal % HASH_INDEX_PAGE_ENTRIES) * ENTRY_BYTES);
  }

  async #writeTail(): Promise<void> {
    const bytes = this.#tail.subarray(0, (this.#count - this.#inFile) * ENTRY_BYTES);
    await writeAt(this.#handle, bytes, this.#inFile * ENTRY_BYTES);
    this.#inFile = this.#count;
  }

  async #read(ordinal: number, count: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(count * ENTRY_BYTES);
    for (let done = 0; done < bytes.length; ) {
      const position = ordinal * ENTRY_BYTES + done;
      const { bytesRead } = await this.#handle.read(bytes, done, bytes.length - done, position);
      if (bytesRead === 0) throw new Fault('INTERNAL', `${this.#path}: has become shorter`);
      done += bytesRead;
    }
    return bytes;
  }

  #partOf(bits: number): Part {
    const part = this.#parts[bits >>> 24];
    if (part === undefined) throw new Fault('INTERNAL', `there is no part ${bits >>> 24}`);
    return part;
  }

  #bitsOf(hash: Buffer): number {
    let bits = 0;
    for (let word = 0; word < SALT_WORDS; word += 1) {
      bits = Math.imul(bits ^ hash.readInt32LE(4 * word) ^ (this.#salt[word] ?? 0), 0x9e3779b1);
      bits ^= bits >>> 15;
    }
    bits = Math.imul(bits, 0x85ebca77);
    return (bits ^ (bits >>> 13)) >>> 0;
  }
}

function entryIn(bytes: Buffer, at: number): HashEntry {
  const value =
    bytes.readUInt32BE(at + HASH_BYTES) * 2 ** 32 + bytes.readUInt32BE(at + HASH_BYTES + 4);
  return { hash: bytes.subarray(at, at + HASH_BYTES), value };
}

function firstSlot(bits: number, part: Part): number {
  return (2 * bits) & (part.slots.length - 1);
}

function nextSlot(slot: number, slots: Uint32Array): number {
  return (slot + 2) & (slots.length - 1);
}

function place(slots: Uint32Array, bits: number, ordinal: number): void {
  let slot = firstSlot(bits, { slots, used: 0 });
  while (slots[slot + 1] !== 0) slot = nextSlot(slot, slots);
  slots[slot] = bits;
  slots[slot + 1] = ordinal;
}

function enlarge(part: Part): void {
  const larger = new Uint32Array(2 * part.slots.length);
  for (let slot = 0; slot < part.slots.length; slot += 2) {
    const ordinal = part.slots[slot + 1] ?? 0;
    if (ordinal !== 0) place(larger, part.slots[slot] ?? 0, ordinal);
  }
  part.slots = larger;
}
