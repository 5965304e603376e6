/** IPv4 addresses as unsigned 32-bit numbers; 0 is "none" on the DHCP wire. */

const QUAD = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

export function parseIpv4(text: string): number | undefined {
  const match = QUAD.exec(text);
  if (match === null) return undefined;
  let value = 0;
  for (const part of match.slice(1)) {
    const octet = Number(part);
    if (octet > 255) return undefined;
    value = value * 256 + octet;
  }
  return value;
}

export function formatIpv4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

export function ipv4Bytes(address: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(address >>> 0);
  return bytes;
}

/** True for a mask whose ones all stand before its zeroes. */
export function isNetmask(mask: number): boolean {
  const inverted = ~mask >>> 0;
  return mask !== 0 && (inverted & (inverted + 1)) >>> 0 === 0;
}

/** undefined: no network has so many bits. */
export function netmaskOfBits(bits: number): number | undefined {
  return bits >= 1 && bits <= 32 ? (0xffffffff << (32 - bits)) >>> 0 : undefined;
}

export function sameSubnet(a: number, b: number, mask: number): boolean {
  return (a & mask) >>> 0 === (b & mask) >>> 0;
}
