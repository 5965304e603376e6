/** The units of a trace as bytes: the difference to the one before, zigzag, in groups of seven bits (LEB128). */
import { MAX_TRACE_UNITS } from '../limits.ts';

/** Numbers of units are below it: 128 KiB units of an exabyte fit. */
const MAX_UNIT = 2 ** 32 - 1;

export function encodeUnits(units: Uint32Array): Uint8Array {
  const bytes: number[] = [];
  let before = 0;
  for (const unit of units) {
    const step = unit - before;
    before = unit;
    let rest = step < 0 ? -2 * step - 1 : 2 * step;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push(128 + (rest % 128));
    bytes.push(rest);
  }
  return Uint8Array.from(bytes);
}

/** @returns undefined: these are no units, or too many of them */
export function decodeUnits(bytes: Uint8Array): Uint32Array | undefined {
  const units: number[] = [];
  let unit = 0;
  let value = 0;
  let weight = 1;
  for (const byte of bytes) {
    value += (byte & 127) * weight;
    weight *= 128;
    if (weight > 2 ** 42) return undefined;
    if (byte >= 128) continue;
    unit += value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    if (unit < 0 || unit > MAX_UNIT || units.length >= MAX_TRACE_UNITS) return undefined;
    units.push(unit);
    [value, weight] = [0, 1];
  }
  return weight === 1 ? Uint32Array.from(units) : undefined;
}
