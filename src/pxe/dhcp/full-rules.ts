/**
 * The configuration of full mode, checked once: everything after it can rely on it. Rules are those of one
 * subnet: the server's own, and each that has relays.
 */

import { isNetmask, netmaskOfBits, parseIpv4, sameSubnet } from '../../base/index.ts';
import { Fault } from '../../errors/index.ts';
import type { AddressRange, FullDhcpConfig, RelayedSubnet } from '../config.ts';
import {
  MAX_DHCP_SUBNETS,
  MAX_DNS_SERVERS,
  MAX_DOMAIN_NAME_BYTES,
  MAX_POOL_ADDRESSES,
  MIN_LEASE_SECONDS,
} from '../limits.ts';
import { parseMac } from '../mac-address.ts';
import type { PoolRules } from './address-pool.ts';

export interface FullRules {
  readonly serverAddress: number;
  /** The first address of the subnet. */
  readonly network: number;
  readonly netmask: number;
  readonly router: number | undefined;
  readonly dnsServers: readonly number[];
  readonly domainName: string | undefined;
  readonly leaseSeconds: number;
  readonly pool: PoolRules;
}

function invalid(field: string, value: unknown, expected: string): Fault {
  return new Fault('INVALID_INPUT', `pxe.dhcp.${field}: expected ${expected}`, {
    field: `pxe.dhcp.${field}`,
    value,
    expected,
  });
}

type Common = Pick<FullRules, 'dnsServers' | 'domainName' | 'leaseSeconds'>;

interface Subnet {
  /** Where the setting is, below pxe.dhcp. */
  readonly field: 'ranges' | 'subnets';
  readonly network: number;
  readonly netmask: number;
  readonly router: number | undefined;
  readonly ranges: readonly AddressRange[];
}

/** The server's own subnet first. @throws Fault INVALID_INPUT naming the field */
export function fullRules(
  config: FullDhcpConfig,
  serverAddress: number,
): readonly [FullRules, ...FullRules[]] {
  const own = ownSubnet(config, serverAddress);
  const relayed = relayedSubnets(config.subnets ?? []);
  const subnets = [own, ...relayed];
  refuseOverlap(subnets, config);
  const common = commonRules(config);
  const reserved = reservations(config, subnets, serverAddress);
  const leaseMs = config.leaseSeconds * 1000;
  const rulesOf = (subnet: Subnet): FullRules => {
    const { network, netmask, router } = subnet;
    const ofSubnet = reserved.filter(({ address }) => sameSubnet(address, network, netmask));
    return {
      ...{ ...common, serverAddress, network, netmask, router },
      pool: {
        ranges: rangesOf(subnet, [serverAddress, ...(router === undefined ? [] : [router])]),
        reservations: new Map(ofSubnet.map(({ mac, address }) => [mac, address])),
        leaseMs,
      },
    };
  };
  const rules = [rulesOf(own), ...relayed.map(rulesOf)] as const;
  const ranges = rules.flatMap(({ pool }) => pool.ranges);
  const total = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  if (total > MAX_POOL_ADDRESSES) {
    throw invalid('ranges', config.ranges, `${MAX_POOL_ADDRESSES} addresses or fewer in all`);
  }
  return rules;
}

function ownSubnet(config: FullDhcpConfig, serverAddress: number): Subnet {
  const netmask = parseIpv4(config.netmask);
  if (netmask === undefined || !isNetmask(netmask)) {
    throw invalid('netmask', config.netmask, 'a netmask such as 255.255.255.0');
  }
  const network = (serverAddress & netmask) >>> 0;
  const { router: given, ranges } = config;
  const router = given === undefined ? undefined : hostOf('router', given, { network, netmask });
  return { field: 'ranges', network, netmask, router, ranges };
}

function relayedSubnets(subnets: readonly RelayedSubnet[]): readonly Subnet[] {
  if (subnets.length > MAX_DHCP_SUBNETS) {
    throw invalid('subnets', subnets.length, `${MAX_DHCP_SUBNETS} subnets or fewer`);
  }
  return subnets.map(({ network: text, ranges, router: routerText }) => {
    const [first = '', bits = ''] = text.split('/');
    const network = parseIpv4(first);
    const netmask = /^\d{1,2}$/.test(bits) ? netmaskOfBits(Number(bits)) : undefined;
    if (network === undefined || netmask === undefined || (network & ~netmask) !== 0) {
      throw invalid('subnets', text, 'a network such as 10.78.0.0/24, by its first address');
    }
    const router = hostOf('subnets', routerText, { network, netmask });
    return { field: 'subnets', network, netmask, router, ranges };
  });
}

function refuseOverlap(subnets: readonly Subnet[], config: FullDhcpConfig): void {
  for (const [index, one] of subnets.entries()) {
    const overlaps = subnets.slice(index + 1).some((other) => {
      const wider = (one.netmask & other.netmask) >>> 0;
      return sameSubnet(one.network, other.network, wider);
    });
    if (overlaps) throw invalid('subnets', config.subnets, 'networks that do not overlap');
  }
}

function commonRules({ leaseSeconds, dnsServers, domainName }: FullDhcpConfig): Common {
  if (
    !Number.isInteger(leaseSeconds) ||
    leaseSeconds < MIN_LEASE_SECONDS ||
    leaseSeconds > 2 ** 31
  ) {
    throw invalid(
      'leaseSeconds',
      leaseSeconds,
      `a number of seconds, ${MIN_LEASE_SECONDS} or more`,
    );
  }
  if (dnsServers.length > MAX_DNS_SERVERS) {
    throw invalid('dnsServers', dnsServers, `${MAX_DNS_SERVERS} servers or fewer`);
  }
  if (domainName !== undefined && !isDomainName(domainName)) {
    throw invalid('domainName', domainName, 'a domain name');
  }
  const servers = dnsServers.map((text) => ipv4('dnsServers', text));
  return { dnsServers: servers, domainName, leaseSeconds };
}

function ipv4(field: string, text: string): number {
  const value = parseIpv4(text);
  if (value === undefined) throw invalid(field, text, 'an IPv4 address');
  return value;
}

type Network = Pick<Subnet, 'network' | 'netmask'>;

function hostOf(field: string, text: string, subnet: Network): number {
  const value = ipv4(field, text);
  if (isHostOf(value, subnet)) return value;
  throw invalid(
    field,
    text,
    field === 'subnets'
      ? 'an address of a host in its subnet'
      : 'an address of a host in the subnet of pxe.serverAddress',
  );
}

function isHostOf(address: number, { network, netmask }: Network): boolean {
  const hostBits = (address & ~netmask) >>> 0;
  return sameSubnet(address, network, netmask) && hostBits !== 0 && hostBits !== ~netmask >>> 0;
}

function isDomainName(text: string): boolean {
  return (
    text.length <= MAX_DOMAIN_NAME_BYTES && /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text)
  );
}

function rangesOf(subnet: Subnet, taken: readonly number[]): PoolRules['ranges'] {
  const { field } = subnet;
  const parsed = subnet.ranges
    .map(({ first, last }) => ({
      first: hostOf(field, first, subnet),
      last: hostOf(field, last, subnet),
    }))
    .sort((a, b) => a.first - b.first);
  let end = -1;
  for (const range of parsed) {
    if (range.last < range.first) throw invalid(field, subnet.ranges, 'first before last');
    if (range.first <= end) throw invalid(field, subnet.ranges, 'ranges that do not overlap');
    if (taken.some((address) => range.first <= address && address <= range.last)) {
      throw invalid(field, subnet.ranges, "ranges without this server's and the router's address");
    }
    end = range.last;
  }
  return parsed;
}

function reservations(
  config: FullDhcpConfig,
  subnets: readonly Subnet[],
  serverAddress: number,
): readonly { readonly mac: string; readonly address: number }[] {
  const macs = new Set<string>();
  const seen = new Set<number>([serverAddress]);
  return config.reservations.map((entry) => {
    const mac = parseMac(entry.mac);
    if (mac === undefined) throw invalid('reservations', entry.mac, 'a MAC address');
    const address = ipv4('reservations', entry.address);
    if (!subnets.some((subnet) => isHostOf(address, subnet))) {
      const expected =
        'an address of a host in the subnet of pxe.serverAddress, or of a relayed one';
      throw invalid('reservations', entry.address, expected);
    }
    if (macs.has(mac) || seen.has(address)) {
      throw invalid('reservations', entry, 'each MAC and each address once');
    }
    seen.add(address);
    macs.add(mac);
    return { mac, address };
  });
}
