/**
 * CRC32C (RFC 7143, 13.1 and appendix A.4), by tables that take sixteen bytes at a step. The words are read through
 * a Uint32Array where the memory is aligned and the machine little-endian, which it is wherever we run.
 */
const POLYNOMIAL = 0x82f63b78;
const SLICES = 16;

const TABLES: readonly Uint32Array[] = makeTables();

function makeTables(): Uint32Array[] {
  const tables = Array.from({ length: SLICES }, () => new Uint32Array(256));
  const [first] = tables;
  if (first === undefined) return tables;
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1)
      crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
    first[byte] = crc >>> 0;
  }
  for (let slice = 1; slice < SLICES; slice += 1) {
    const before = tables[slice - 1] as Uint32Array;
    const table = tables[slice] as Uint32Array;
    for (let byte = 0; byte < 256; byte += 1) {
      const crc = before[byte] as number;
      table[byte] = ((crc >>> 8) ^ (first[crc & 0xff] as number)) >>> 0;
    }
  }
  return tables;
}

const [T0, T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14, T15] =
  TABLES as unknown as Table16;
type Table16 = readonly [
  ...[Uint32Array, Uint32Array, Uint32Array, Uint32Array],
  ...[Uint32Array, Uint32Array, Uint32Array, Uint32Array],
  ...[Uint32Array, Uint32Array, Uint32Array, Uint32Array],
  ...[Uint32Array, Uint32Array, Uint32Array, Uint32Array],
];

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/**
 * The CRC of `bytes[start, end)`, going on from `before` (the CRC of what came earlier; 0 at first).
 * On the wire it stands with its bytes in the order of a little-endian number.
 */
export function crc32c(bytes: Buffer, start = 0, end = bytes.length, before = 0): number {
  let crc = ~before;
  let at = start;
  if (LITTLE_ENDIAN && end - at >= 64) {
    while (((bytes.byteOffset + at) & 3) !== 0) {
      crc = (T0[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
      at += 1;
    }
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, (end - at) >>> 2);
    const whole = words.length & ~3;
    crc = steps(crc, words, whole);
    at += whole * 4;
  }
  while (at < end) {
    crc = (T0[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
    at += 1;
  }
  return ~crc >>> 0;
}

function steps(before: number, words: Uint32Array, count: number): number {
  let crc = before;
  for (let index = 0; index < count; index += 4) {
    const a = (words[index] as number) ^ crc;
    const b = words[index + 1] as number;
    const c = words[index + 2] as number;
    const d = words[index + 3] as number;
    crc =
      (T15[a & 0xff] as number) ^
      (T14[(a >>> 8) & 0xff] as number) ^
      (T13[(a >>> 16) & 0xff] as number) ^
      (T12[a >>> 24] as number) ^
      (T11[b & 0xff] as number) ^
      (T10[(b >>> 8) & 0xff] as number) ^
      (T9[(b >>> 16) & 0xff] as number) ^
      (T8[b >>> 24] as number) ^
      (T7[c & 0xff] as number) ^
      (T6[(c >>> 8) & 0xff] as number) ^
      (T5[(c >>> 16) & 0xff] as number) ^
      (T4[c >>> 24] as number) ^
      (T3[d & 0xff] as number) ^
      (T2[(d >>> 8) & 0xff] as number) ^
      (T1[(d >>> 16) & 0xff] as number) ^
      (T0[d >>> 24] as number);
  }
  return crc;
}
