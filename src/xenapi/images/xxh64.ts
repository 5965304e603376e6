/**
 * XXH64 with seed 0, the hash of the blocks of a tar. Pure. Source: "XXH64 algorithm description" of the xxHash
 * specification, version 0.1.1. A 64-bit number is two of 32 bits: BigInt would take twenty times as long.
 */

/** Low and high halves of the five primes. */
const P1 = { low: 0x85ebca87, high: 0x9e3779b1 };
const P2 = { low: 0x27d4eb4f, high: 0xc2b2ae3d };
const P3 = { low: 0x9e3779f9, high: 0x165667b1 };
const P4 = { low: 0xc2b2ae63, high: 0x85ebca77 };
const P5 = { low: 0x165667c5, high: 0x27d4eb2f };

const STRIPE_BYTES = 32;

/** A number of 64 bits that is worked on; halves are 32 bits, signed or not. */
class Word {
  low = 0;
  high = 0;

  set(low: number, high: number): this {
    this.low = low;
    this.high = high;
    return this;
  }

  add(low: number, high: number): this {
    const sum = (this.low >>> 0) + (low >>> 0);
    this.low = sum | 0;
    this.high = (this.high + high + (sum > 0xffff_ffff ? 1 : 0)) | 0;
    return this;
  }

  xor(low: number, high: number): this {
    this.low ^= low;
    this.high ^= high;
    return this;
  }

  /** Low 64 bits of the product. */
  multiply(low: number, high: number): this {
    const cross = Math.imul(this.low, high) + Math.imul(this.high, low);
    const a = this.low & 0xffff;
    const b = this.low >>> 16;
    const c = low & 0xffff;
    const d = low >>> 16;
    const ac = a * c;
    const middle = b * c + (ac >>> 16);
    const other = a * d + (middle & 0xffff);
    this.low = (other << 16) | (ac & 0xffff);
    // The carries of both middle products; each fits into 53 bits.
    this.high = (b * d + Math.floor(middle / 65536) + Math.floor(other / 65536) + cross) | 0;
    return this;
  }

  /** @param bits 1 … 31 */
  rotate(bits: number): this {
    const { low, high } = this;
    this.low = (low << bits) | (high >>> (32 - bits));
    this.high = (high << bits) | (low >>> (32 - bits));
    return this;
  }

  /** `this ^ (this >> bits)`. @param bits 1 … 63 */
  foldRight(bits: number): this {
    const { low, high } = this;
    if (bits < 32) return this.xor((low >>> bits) | (high << (32 - bits)), high >>> bits);
    return this.xor(high >>> (bits - 32), 0);
  }
}

const scratch = new Word();

/** One lane of a stripe, or of the end. */
function round(lane: Word, low: number, high: number): void {
  const input = scratch.set(low, high).multiply(P2.low, P2.high);
  lane.add(input.low, input.high).rotate(31).multiply(P1.low, P1.high);
}

function merge(hash: Word, lane: Word): void {
  const input = scratch.set(lane.low, lane.high).multiply(P2.low, P2.high).rotate(31);
  input.multiply(P1.low, P1.high);
  hash.xor(input.low, input.high).multiply(P1.low, P1.high).add(P4.low, P4.high);
}

/** @returns 16 upper-case hex digits */
export function xxh64(bytes: Buffer): string {
  const hash = new Word();
  let at = 0;
  if (bytes.length >= STRIPE_BYTES) {
    at = hashStripes(bytes, hash);
  } else {
    hash.set(P5.low, P5.high);
  }
  hash.add(bytes.length | 0, Math.floor(bytes.length / 2 ** 32));
  hashRest(bytes, at, hash);
  hash.foldRight(33).multiply(P2.low, P2.high);
  hash.foldRight(29).multiply(P3.low, P3.high);
  hash.foldRight(32);
  return (hex(hash.high) + hex(hash.low)).toUpperCase();
}

/** @returns where the stripes end */
function hashStripes(bytes: Buffer, hash: Word): number {
  const lanes = [
    new Word().set(P1.low, P1.high).add(P2.low, P2.high),
    new Word().set(P2.low, P2.high),
    new Word(),
    // 0 − P1
    new Word().set(~P1.low, ~P1.high).add(1, 0),
  ] as const;
  const [one, two, three, four] = lanes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  for (; at + STRIPE_BYTES <= bytes.length; at += STRIPE_BYTES) {
    round(one, view.getInt32(at, true), view.getInt32(at + 4, true));
    round(two, view.getInt32(at + 8, true), view.getInt32(at + 12, true));
    round(three, view.getInt32(at + 16, true), view.getInt32(at + 20, true));
    round(four, view.getInt32(at + 24, true), view.getInt32(at + 28, true));
  }
  const turned = new Word();
  for (const [index, lane] of lanes.entries()) {
    turned.set(lane.low, lane.high).rotate([1, 7, 12, 18][index] ?? 1);
    hash.add(turned.low, turned.high);
  }
  for (const lane of lanes) merge(hash, lane);
  return at;
}

function hashRest(bytes: Buffer, start: number, hash: Word): void {
  let at = start;
  const lane = new Word();
  for (; at + 8 <= bytes.length; at += 8) {
    round(lane.set(0, 0), bytes.readInt32LE(at), bytes.readInt32LE(at + 4));
    hash.xor(lane.low, lane.high).rotate(27).multiply(P1.low, P1.high).add(P4.low, P4.high);
  }
  for (; at + 4 <= bytes.length; at += 4) {
    lane.set(bytes.readInt32LE(at), 0).multiply(P1.low, P1.high);
    hash.xor(lane.low, lane.high).rotate(23).multiply(P2.low, P2.high).add(P3.low, P3.high);
  }
  for (; at < bytes.length; at += 1) {
    lane.set(bytes.readUInt8(at), 0).multiply(P5.low, P5.high);
    hash.xor(lane.low, lane.high).rotate(11).multiply(P1.low, P1.high);
  }
}

function hex(half: number): string {
  return (half >>> 0).toString(16).padStart(8, '0');
}
