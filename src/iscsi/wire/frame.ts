/**
 * Where a PDU ends: header, additional headers, header digest, data, padding, data digest (RFC 7143, 11.2).
 * Both lengths are checked against their limits before anything is waited for.
 */

import { type NeedMore, needMore, type Violation, violation } from '../../base/index.ts';
import { BHS_SIZE, DIGEST_SIZE } from './constants.ts';
import { crc32c } from './crc32c.ts';

export interface FrameRules {
  readonly headerDigest: boolean;
  /** Longest data segment that the receiver declared, in bytes. */
  readonly maxDataSegment: number;
  /** Longest additional header segments, in bytes; a target sends none. */
  readonly maxAhs: number;
}

export interface FrameHeader {
  readonly kind: 'frame';
  /** Bytes from the start of the header to the data: digest included. */
  readonly size: number;
  /** Of the additional header segments. */
  readonly ahsLength: number;
  /** Without padding. */
  readonly dataLength: number;
}

export type FrameViolation = 'ahs-length' | 'data-length' | 'header-digest';

export function decodeFrame(
  source: Buffer,
  start: number,
  end: number,
  rules: FrameRules,
): FrameHeader | NeedMore | Violation<FrameViolation> {
  if (end - start < BHS_SIZE) return needMore(BHS_SIZE);
  const lengths = source.readUInt32BE(start + 4);
  const ahsLength = (lengths >>> 24) * 4;
  const dataLength = lengths & 0xffffff;
  if (ahsLength > rules.maxAhs) return violation('ahs-length');
  // A header whose digest is wrong may have any length in it, so this may be the first sign of damage.
  if (dataLength > rules.maxDataSegment) return violation('data-length');
  const headers = BHS_SIZE + ahsLength;
  const size = rules.headerDigest ? headers + DIGEST_SIZE : headers;
  if (end - start < size) return needMore(size);
  if (rules.headerDigest) {
    const crc = crc32c(source, start, start + headers);
    if (source.readUInt32LE(start + headers) !== crc) return violation('header-digest');
  }
  return { kind: 'frame', size, ahsLength, dataLength };
}

/** Bytes of padding behind a data segment. */
export function padding(length: number): number {
  return -length & 3;
}
