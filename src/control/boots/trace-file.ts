/**
 * A version's trace as a file, to be taken to another server. Pure.
 *
 *     0   "RCTRACE1"
 *     8   bytes of a unit (u32, little-endian)
 *     12  boots (u32)
 *     16  content id (32 bytes)
 *     48  of each boot: when (u64, milliseconds), bytes of its units (u32), units (values/trace-units.ts)
 */
import { MAX_TRACE_BOOTS } from '../limits.ts';
import { decodeUnits } from '../values/trace-units.ts';

const MAGIC = 'RCTRACE1';
const HEAD_BYTES = 48;
const BOOT_HEAD_BYTES = 12;
/** Of a boot: three bytes for each unit are more than any has. */
const MAX_UNITS_BYTES = 128 * 1024;

export interface TraceFile {
  readonly unitBytes: number;
  readonly contentId: string;
  readonly boots: readonly { readonly recordedAt: number; readonly units: Uint8Array }[];
}

export function encodeTraceFile({ unitBytes, contentId, boots }: TraceFile): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(MAGIC, 'latin1');
  head.writeUInt32LE(unitBytes, 8);
  head.writeUInt32LE(boots.length, 12);
  head.write(contentId, 16, 'hex');
  const parts = boots.flatMap(({ recordedAt, units }) => {
    const bootHead = Buffer.alloc(BOOT_HEAD_BYTES);
    bootHead.writeBigUInt64LE(BigInt(recordedAt));
    bootHead.writeUInt32LE(units.length, 8);
    return [bootHead, units];
  });
  return Buffer.concat([head, ...parts]);
}

/** @returns what is wrong with it, as text */
export function decodeTraceFile(file: Buffer): TraceFile | string {
  if (file.length < HEAD_BYTES || file.toString('latin1', 0, 8) !== MAGIC) {
    return 'it does not begin as a boot trace does';
  }
  const unitBytes = file.readUInt32LE(8);
  const count = file.readUInt32LE(12);
  if (unitBytes < 4096 || (unitBytes & (unitBytes - 1)) !== 0) return `units of ${unitBytes} bytes`;
  if (count === 0 || count > MAX_TRACE_BOOTS) return `${count} boots, not 1 to ${MAX_TRACE_BOOTS}`;
  const boots: TraceFile['boots'][number][] = [];
  let at = HEAD_BYTES;
  for (let boot = 0; boot < count; boot++) {
    if (file.length < at + BOOT_HEAD_BYTES) return 'it is cut off';
    const recordedAt = Number(file.readBigUInt64LE(at));
    const length = file.readUInt32LE(at + 8);
    at += BOOT_HEAD_BYTES;
    if (length > MAX_UNITS_BYTES || file.length < at + length) return 'it is cut off';
    const units = Uint8Array.from(file.subarray(at, at + length));
    at += length;
    if (!Number.isSafeInteger(recordedAt) || decodeUnits(units) === undefined) {
      return `boot ${boot + 1} is damaged`;
    }
    boots.push({ recordedAt, units });
  }
  if (at !== file.length) return 'there is more behind its end';
  return { unitBytes, contentId: file.toString('hex', 16, 48), boots };
}
