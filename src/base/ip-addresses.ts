/** IP addresses as they are meant: IPv6 has many spellings, and one of them for each IPv4 address (RFC 4291, 2.5.5.2). */
import { BlockList, isIP } from 'node:net';

/**
 * Tells whether an IP address is one of these, or lies in one, however either is written. What is none is never one.
 * @param addresses IP addresses, and networks as 192.0.2.0/24
 */
export function matchAddresses(addresses: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const each of addresses) {
    const [address = '', bits] = each.split('/');
    if (isIP(address) === 0) continue;
    if (bits === undefined) list.addAddress(address, familyOf(address));
    else list.addSubnet(address, Number(bits), familyOf(address));
  }
  return (address) => isIP(address) !== 0 && list.check(address, familyOf(address));
}

/** An IPv4 address that is written as an IPv6 one (::ffff:192.0.2.7) as itself; anything else as it is. */
export function withoutMapping(address: string): string {
  if (isIP(address) !== 6 || address.includes('%')) return address;
  const { hostname } = new URL(`http://[${address}]`); // in hexadecimal, zeroes left out
  const mapped = /^\[::ffff:([0-9a-f]+):([0-9a-f]+)\]$/.exec(hostname);
  if (mapped === null) return address;
  const words = mapped.slice(1).map((word) => Number.parseInt(word, 16));
  return words.flatMap((word) => [word >> 8, word & 255]).join('.');
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
