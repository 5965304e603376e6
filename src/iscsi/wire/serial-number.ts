/** 32-bit serial number arithmetic (RFC 1982, as RFC 7143 4.2.2.1 wants it). */

export function next(serial: number): number {
  return (serial + 1) >>> 0;
}

/** Whether `a` comes after `b`. */
export function isAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}
