/** The kernel's tables of TCP sockets, pure: which of them send again what nobody has acknowledged. proc(5), /proc/net/tcp. */
import { SocketAddress } from 'node:net';
import { endianness } from 'node:os';

/** By socket: how often in a row. Sockets of which all is acknowledged are not in it. */
export type Retransmissions = ReadonlyMap<string, number>;

/** @param peer `ADDRESS:PORT`, or `[ADDRESS]:PORT` of IPv6 */
export function socketKey(localPort: number, peer: string): string {
  return `${localPort} ${peer}`;
}

/** `HOST:PORT` as messages have it. @param host as Node has it: an IPv4 address may be written as one of IPv6 */
export function peerName(host: string, port: number): string {
  const plain = host.startsWith('::ffff:') ? host.slice(7) : host;
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** What is no line of a socket is passed over. @param table of /proc/net/tcp or /proc/net/tcp6 */
export function retransmissionsIn(table: string): Retransmissions {
  const found = new Map<string, number>();
  for (const line of table.split('\n')) {
    const [, local = '', remote = '', , , , count = ''] = line.trim().split(/\s+/);
    const [, localPort] = /^[0-9A-F]+:([0-9A-F]{4})$/.exec(local) ?? [];
    const [, address, port] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(remote) ?? [];
    const times = Number.parseInt(count, 16);
    if (localPort === undefined || address === undefined || port === undefined) continue;
    if (!(times > 0)) continue;
    const peer = peerName(hostOf(address), Number.parseInt(port, 16));
    found.set(socketKey(Number.parseInt(localPort, 16), peer), times);
  }
  return found;
}

/** The kernel prints 32 bits at a time, each as a number of this machine. */
function hostOf(hex: string): string {
  const words = Buffer.from(hex, 'hex');
  if (endianness() === 'LE') words.swap32();
  if (words.length === 4) return words.join('.');
  const groups = words.toString('hex').match(/.{4}/g) ?? [];
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address;
}
