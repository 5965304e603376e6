/** Sense data (SPC-4, 4.5): fixed and descriptor format, current and deferred. */

export interface Sense {
  readonly key: number;
  /** Additional sense code and qualifier as one number. */
  readonly asc: number;
  /** It tells of an earlier command. */
  readonly deferred: boolean;
}

const FIXED = 0x70;
const DESCRIPTOR = 0x72;

/** @param data of a SCSI response: a length of two bytes, then the sense data (RFC 7143, 11.4.7). undefined: there is none. */
export function decodeSense(data: Buffer): Sense | undefined {
  if (data.length < 4) return undefined;
  const length = data.readUInt16BE(0);
  const sense = data.subarray(2, Math.min(data.length, 2 + length));
  const code = (sense[0] ?? 0) & 0x7f;
  const deferred = (code & 1) === 1;
  switch (code & 0x7e) {
    case FIXED:
      if (sense.length < 3) return undefined;
      return {
        key: (sense[2] ?? 0) & 0xf,
        asc: ((sense[12] ?? 0) << 8) | (sense[13] ?? 0),
        deferred,
      };
    case DESCRIPTOR:
      if (sense.length < 4) return undefined;
      return { key: (sense[1] ?? 0) & 0xf, asc: sense.readUInt16BE(2), deferred };
    default:
      return undefined;
  }
}

/** Fixed format, with the length in front. */
export function encodeSense(key: number, asc: number): Buffer {
  const data = Buffer.alloc(2 + 18);
  data.writeUInt16BE(18, 0);
  data[2] = FIXED;
  data[4] = key;
  data[9] = 10; // additional length
  data.writeUInt16BE(asc, 14);
  return data;
}
