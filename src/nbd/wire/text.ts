import { isUtf8 } from 'node:buffer';
import { MAX_STRING } from './limits.ts';

/**
 * A protocol string ("UTF-8 code points, MUST NOT contain NUL, MUST be no longer than 4096 bytes"),
 * or undefined when the bytes are not one. The caller has checked that they are all there.
 */
export function readText(source: Buffer, start: number, end: number): string | undefined {
  if (end - start > MAX_STRING) return undefined;
  const bytes = source.subarray(start, end);
  if (bytes.includes(0) || !isUtf8(bytes)) return undefined;
  return bytes.toString('utf8');
}

/**
 * Text of our own as it may stand on the wire: NULs dropped, cut to the limit between code points.
 * For messages and descriptions, which are for people; names are checked, never changed.
 */
export function displayText(text: string, limit: number = MAX_STRING): Buffer {
  const bytes = Buffer.from(text.replaceAll('\0', ''), 'utf8');
  if (bytes.length <= limit) return bytes;
  let end = limit;
  // A continuation byte is 10xxxxxx: step back to the start of its code point.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}
