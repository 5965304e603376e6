/** INQUIRY data and vital product data (SPC-4, 6.6 and 7.8; SBC-3, 6.6). Short or odd answers give what they hold. */
import { DESIGNATORS } from './limits.ts';

export interface StandardInquiry {
  /** 0: a LUN is there. 3: there is none, and there will be none. */
  readonly qualifier: number;
  /** 0: a disk. */
  readonly deviceType: number;
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
}

const text = (data: Buffer, start: number, end: number): string =>
  data
    .toString('latin1', start, Math.min(end, data.length))
    .replaceAll(/[^\x20-\x7e]/g, '')
    .trim();

/** undefined: shorter than its qualifier. */
export function decodeInquiry(data: Buffer): StandardInquiry | undefined {
  const [first] = data;
  if (first === undefined) return undefined;
  return {
    qualifier: first >> 5,
    deviceType: first & 0x1f,
    vendor: text(data, 8, 16),
    product: text(data, 16, 32),
    revision: text(data, 32, 36),
  };
}

/** The content of a page of vital product data; undefined: it is not the page asked for, or cut off in its header. */
function pageContent(data: Buffer, page: number): Buffer | undefined {
  if (data.length < 4 || data[1] !== page) return undefined;
  return data.subarray(4, Math.min(data.length, 4 + data.readUInt16BE(2)));
}

/** Page 0x00. */
export function decodeSupportedPages(data: Buffer): readonly number[] {
  return [...(pageContent(data, 0x00) ?? [])];
}

/** Page 0x80. */
export function decodeSerial(data: Buffer): string | undefined {
  const content = pageContent(data, 0x80);
  return content === undefined ? undefined : text(content, 0, content.length);
}

/** What names a logical unit for good: page 0x83, association 0. */
export interface Designator {
  /** 1: T10 vendor, 2: EUI-64, 3: NAA, 8: SCSI name. */
  readonly type: number;
  readonly id: Buffer;
}

const NAMING_TYPES: ReadonlySet<number> = new Set([1, 2, 3, 8]);

/** Designators of the logical unit itself, not of its port or target. */
export function decodeDesignators(data: Buffer): readonly Designator[] {
  const content = pageContent(data, 0x83);
  const found: Designator[] = [];
  if (content === undefined) return found;
  for (let at = 0; at + 4 <= content.length && found.length < DESIGNATORS; ) {
    const length = content[at + 3] ?? 0;
    const kind = content[at + 1] ?? 0;
    const end = at + 4 + length;
    if (end > content.length) break;
    const ofUnit = ((kind >> 4) & 3) === 0;
    if (ofUnit && length > 0 && NAMING_TYPES.has(kind & 0xf)) {
      found.push({ type: kind & 0xf, id: Buffer.from(content.subarray(at + 4, end)) });
    }
    at = end;
  }
  return found;
}

/** Page 0xb0. Zero: the target names no limit. Counted in logical blocks. */
export interface BlockLimits {
  readonly maximumTransfer: number;
  readonly optimalTransfer: number;
  readonly maximumUnmap: number;
  readonly maximumUnmapDescriptors: number;
  readonly unmapGranularity: number;
  readonly unmapAlignment: number;
  readonly maximumWriteSame: number;
}

export function decodeBlockLimits(data: Buffer): BlockLimits | undefined {
  const content = pageContent(data, 0xb0);
  if (content === undefined) return undefined;
  // The page grew with the standard: what is not there is zero.
  const page = Buffer.alloc(60);
  content.copy(page, 0, 0, 60);
  const alignment = page.readUInt32BE(28);
  return {
    maximumTransfer: page.readUInt32BE(4),
    optimalTransfer: page.readUInt32BE(8),
    maximumUnmap: page.readUInt32BE(16),
    maximumUnmapDescriptors: page.readUInt32BE(20),
    unmapGranularity: page.readUInt32BE(24),
    unmapAlignment: alignment >>> 31 === 1 ? alignment & 0x7fffffff : 0,
    maximumWriteSame: page.readUInt32BE(32) > 0 ? 2 ** 32 : page.readUInt32BE(36),
  };
}

/** Page 0xb1: medium rotation rate; 1: it does not rotate, 0: not said. */
export function decodeRotationRate(data: Buffer): number {
  const content = pageContent(data, 0xb1);
  return content === undefined || content.length < 2 ? 0 : content.readUInt16BE(0);
}

/** Page 0xb2. */
export interface Provisioning {
  readonly unmap: boolean;
  /** WRITE SAME(16) with its UNMAP bit. */
  readonly writeSameUnmap: boolean;
  /** Unmapped blocks read as zeroes. */
  readonly readsZeroes: boolean;
}

export function decodeProvisioning(data: Buffer): Provisioning | undefined {
  const flags = pageContent(data, 0xb2)?.[1];
  if (flags === undefined) return undefined;
  return {
    unmap: (flags & 0x80) !== 0,
    writeSameUnmap: (flags & 0x40) !== 0,
    readsZeroes: (flags & 0x1c) >> 2 === 1,
  };
}
