/** Sets or clears bits [from, to), the lowest bit of the first byte being bit 0. */
export function fillBits(bytes: Uint8Array, from: number, to: number, value: boolean): void {
  for (let bit = from; bit < to; ) {
    const index = bit >>> 3;
    if ((bit & 7) === 0 && to - bit >= 8) {
      const whole = (to - bit) >>> 3;
      bytes.fill(value ? 0xff : 0, index, index + whole);
      bit += whole * 8;
    } else {
      const mask = 1 << (bit & 7);
      bytes[index] = value ? (bytes[index] ?? 0) | mask : (bytes[index] ?? 0) & ~mask;
      bit += 1;
    }
  }
}
