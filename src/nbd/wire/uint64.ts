/**
 * 64-bit fields as plain numbers. A value above 2^53 - 1 loses its low bits, but stays greater than
 * any size an export can have, so that every range check on it fails as it should. A field that has
 * to be echoed exactly (cookie, offset) is kept as two signed 32-bit halves instead: V8 keeps those
 * without a heap allocation.
 */
const TWO_32 = 4294967296;

export function readUint64(source: Buffer, at: number): number {
  return source.readUInt32BE(at) * TWO_32 + source.readUInt32BE(at + 4);
}

/** @param value a safe integer, 0 or more */
export function writeUint64(target: Buffer, value: number, at: number): number {
  target.writeUInt32BE(Math.floor(value / TWO_32), at);
  return target.writeUInt32BE(value % TWO_32, at + 4);
}

/** The number that two signed halves stand for. */
export function joinUint64(high: number, low: number): number {
  return (high >>> 0) * TWO_32 + (low >>> 0);
}
