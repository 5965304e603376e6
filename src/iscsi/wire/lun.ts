/** Logical unit numbers on the wire (SAM-5, 4.7): eight bytes, as two numbers of 32 bits. */
export interface Lun {
  readonly high: number;
  readonly low: number;
}

/** The largest LUN that one level of flat space addressing can say. */
export const LARGEST_LUN = 0x3fff;

/** Peripheral device addressing below 256, flat space addressing above. */
export function lunOf(number: number): Lun {
  const first = number < 256 ? number : 0x4000 | number;
  return { high: (first << 16) >>> 0, low: 0 };
}

/** undefined for what is no simple number: other bus numbers, extended addressing, second levels. */
export function numberOfLun({ high, low }: Lun): number | undefined {
  if (low !== 0 || (high & 0xffff) !== 0) return undefined;
  const first = high >>> 16;
  if (first < 256) return first;
  return first >>> 14 === 1 ? first & LARGEST_LUN : undefined;
}
