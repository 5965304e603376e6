/** What is to be said of the host; a parameter, so that a test can have another one. */
import {
  cpus,
  freemem,
  hostname,
  type NetworkInterfaceInfo,
  networkInterfaces,
  release,
  totalmem,
  uptime,
} from 'node:os';
import { matchAddresses } from '../../base/index.ts';

export interface HostFacts {
  hostname(): string;
  /** Of the kernel. */
  release(): string;
  cpus(): readonly { readonly model: string /** MHz. */; readonly speed: number }[];
  /** Bytes. */
  totalMemory(): number;
  freeMemory(): number;
  /** Seconds since the host was started. */
  uptime(): number;
  interfaces(): Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;
}

export const THIS_HOST: HostFacts = {
  ...{ hostname, release, cpus, uptime },
  totalMemory: totalmem,
  freeMemory: freemem,
  interfaces: networkInterfaces,
};

export interface OwnInterface {
  readonly name: string;
  readonly mac: string;
  readonly ipv4: { readonly address: string; readonly netmask: string } | undefined;
  /** Each with the length of its prefix; none that are only known on the link. */
  readonly ipv6: readonly string[];
}

/**
 * The interface on which the server is reached: the one that has `address`; when that is a name, the first that is
 * not the host's loopback. undefined: it has none.
 */
export function interfaceOf(facts: HostFacts, address: string): OwnInterface | undefined {
  const all = Object.entries(facts.interfaces()).map(([name, of]) => ({ name, of: of ?? [] }));
  const isReached = matchAddresses([address]);
  const found =
    all.find(({ of }) => of.some((each) => isReached(each.address))) ??
    all.find(({ of }) => of.some(({ internal, family }) => !internal && family === 'IPv4')) ??
    all.find(({ of }) => of.length > 0);
  if (found === undefined) return undefined;
  const { name, of } = found;
  const v4 = of.filter(({ family }) => family === 'IPv4');
  const ipv4 = v4.find((each) => isReached(each.address)) ?? v4[0];
  const ipv6 = of.filter((each) => each.family === 'IPv6' && !each.address.startsWith('fe80:'));
  return {
    ...{ name, mac: of[0]?.mac ?? '', ipv4 },
    ipv6: ipv6.map((each) => each.cidr ?? each.address),
  };
}
