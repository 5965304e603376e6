/** Negotiated text: `key=value` pairs, each ended by a zero byte (RFC 7143, 6.1). */
import { type Violation, violation } from '../../base/index.ts';
import { TEXT_KEY_BYTES, TEXT_PAIRS, TEXT_VALUE_BYTES } from './limits.ts';

export type TextPair = readonly [key: string, value: string];

export type TextViolation =
  | 'text-end' // the last pair has no zero byte
  | 'text-pair' // no `=`, or nothing before it
  | 'text-key-length'
  | 'text-value-length'
  | 'text-pairs';

export function encodeText(pairs: readonly TextPair[]): Buffer {
  return Buffer.from(pairs.map(([key, value]) => `${key}=${value}\0`).join(''), 'utf8');
}

/** The whole text: what stood in PDUs with the C bit is put together first. */
export function decodeText(
  text: Buffer,
): { readonly kind: 'text'; readonly pairs: TextPair[] } | Violation<TextViolation> {
  const pairs: TextPair[] = [];
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf(0, at);
    if (end < 0) return violation('text-end');
    // Some targets pad with zero bytes inside the data segment.
    if (end > at) {
      const equals = text.subarray(at, end).indexOf(0x3d);
      if (equals <= 0) return violation('text-pair');
      if (equals > TEXT_KEY_BYTES) return violation('text-key-length');
      if (end - at - equals - 1 > TEXT_VALUE_BYTES) return violation('text-value-length');
      if (pairs.length === TEXT_PAIRS) return violation('text-pairs');
      const key = text.toString('utf8', at, at + equals);
      pairs.push([key, text.toString('utf8', at + equals + 1, end)]);
    }
    at = end + 1;
  }
  return { kind: 'text', pairs };
}

/** `0x…` or `0b…` (hexadecimal, base64); undefined: neither, or nothing in it, or longer than `longest` bytes. */
export function decodeBinaryValue(value: string, longest: number): Buffer | undefined {
  const prefix = value.slice(0, 2).toLowerCase();
  const digits = value.slice(2);
  let bytes: Buffer | undefined;
  if (prefix === '0x' && /^[0-9a-f]+$/i.test(digits)) {
    bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex');
  } else if (prefix === '0b' && /^[A-Za-z0-9+/]+={0,2}$/.test(digits)) {
    bytes = Buffer.from(digits, 'base64');
  }
  return bytes === undefined || bytes.length === 0 || bytes.length > longest ? undefined : bytes;
}

export function encodeBinaryValue(bytes: Buffer): string {
  return `0x${bytes.toString('hex')}`;
}
