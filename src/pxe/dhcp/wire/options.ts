/**
 * The option area of a DHCP packet: code, length, value, until END. Pieces of one code are joined
 * (RFC 3396) and the areas of an overloaded packet are read in that RFC's order: options, file, sname.
 */
import { MAX_DHCP_OPTION_BYTES } from '../../limits.ts';
import { DHCP_OPTION } from './option-numbers.ts';

/** Values by code. A value is never empty unless it was sent so. */
export type DhcpOptions = Map<number, Buffer>;

export type OptionViolation =
  /** A length byte is missing, or the value ends after the area. */
  'option-truncated' | 'option-too-long';

/**
 * Adds the options of one area to `into`. A missing END is accepted: Linux's and BSD's clients do,
 * and firmware exists that fills the area to its last byte.
 */
export function decodeOptionArea(area: Buffer, into: DhcpOptions): OptionViolation | undefined {
  let at = 0;
  while (at < area.length) {
    const code = area.readUInt8(at);
    at += 1;
    if (code === DHCP_OPTION.PAD) continue;
    if (code === DHCP_OPTION.END) return undefined;
    if (at >= area.length) return 'option-truncated';
    const length = area.readUInt8(at);
    at += 1;
    if (at + length > area.length) return 'option-truncated';
    const piece = area.subarray(at, at + length);
    at += length;
    const before = into.get(code);
    const joined = before === undefined ? piece : Buffer.concat([before, piece]);
    if (joined.length > MAX_DHCP_OPTION_BYTES) return 'option-too-long';
    into.set(code, joined);
  }
  return undefined;
}

/** Encapsulated options (43, 175): the same coding, but damage only ends the list. */
export function decodeEncapsulated(value: Buffer | undefined): DhcpOptions {
  const options: DhcpOptions = new Map();
  if (value !== undefined) decodeOptionArea(value, options);
  return options;
}

/** In insertion order, values over 255 bytes split (RFC 3396 §5), with END. */
export function encodeOptions(options: Iterable<readonly [number, Buffer]>): Buffer {
  const parts: Buffer[] = [];
  for (const [code, value] of options) {
    let at = 0;
    do {
      const piece = value.subarray(at, at + 255);
      parts.push(Buffer.from([code, piece.length]), piece);
      at += piece.length;
    } while (at < value.length);
  }
  parts.push(Buffer.from([DHCP_OPTION.END]));
  return Buffer.concat(parts);
}
