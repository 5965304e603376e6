/** The configuration of full mode, checked once: everything after it can rely on it. */
import { Fault } from '../../errors/index.ts';
import type { FullDhcpConfig } from '../config.ts';
import { isNetmask, parseIpv4, sameSubnet } from '../ipv4.ts';
import {
  MAX_DNS_SERVERS,
  MAX_DOMAIN_NAME_BYTES,
  MAX_POOL_ADDRESSES,
  MIN_LEASE_SECONDS,
} from '../limits.ts';
import { parseMac } from '../mac-address.ts';
import type { PoolRules } from './address-pool.ts';

export interface FullRules {
  readonly serverAddress: number;
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

/** @throws Fault INVALID_INPUT naming the field */
export function fullRules(config: FullDhcpConfig, serverAddress: number): FullRules {
  const netmask = parseIpv4(config.netmask);
  if (netmask === undefined || !isNetmask(netmask)) {
    throw invalid('netmask', config.netmask, 'a netmask such as 255.255.255.0');
  }
  const address = (field: string, text: string): number => {
    const value = parseIpv4(text);
    if (value === undefined) throw invalid(field, text, 'an IPv4 address');
    return value;
  };
  const local = (field: string, text: string): number => {
    const value = address(field, text);
    if (!isHostOf(value, serverAddress, netmask)) {
      throw invalid(field, text, 'an address of a host in the subnet of pxe.serverAddress');
    }
    return value;
  };
  const { leaseSeconds, dnsServers, domainName } = config;
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
  const router = config.router === undefined ? undefined : local('router', config.router);
  return {
    serverAddress,
    netmask,
    router,
    dnsServers: dnsServers.map((text) => address('dnsServers', text)),
    domainName,
    leaseSeconds,
    pool: {
      ranges: ranges(config, local, [serverAddress, ...(router === undefined ? [] : [router])]),
      reservations: reservations(config, local, serverAddress),
      leaseMs: leaseSeconds * 1000,
    },
  };
}

function isHostOf(address: number, serverAddress: number, netmask: number): boolean {
  const hostBits = (address & ~netmask) >>> 0;
  return (
    sameSubnet(address, serverAddress, netmask) && hostBits !== 0 && hostBits !== ~netmask >>> 0
  );
}

function isDomainName(text: string): boolean {
  return (
    text.length <= MAX_DOMAIN_NAME_BYTES && /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text)
  );
}

type ParseAddress = (field: string, text: string) => number;

function ranges(
  config: FullDhcpConfig,
  local: ParseAddress,
  taken: readonly number[],
): PoolRules['ranges'] {
  const parsed = config.ranges
    .map(({ first, last }) => ({ first: local('ranges', first), last: local('ranges', last) }))
    .sort((a, b) => a.first - b.first);
  let total = 0;
  let end = -1;
  for (const range of parsed) {
    if (range.last < range.first) throw invalid('ranges', config.ranges, 'first before last');
    if (range.first <= end) throw invalid('ranges', config.ranges, 'ranges that do not overlap');
    if (taken.some((address) => range.first <= address && address <= range.last)) {
      throw invalid(
        'ranges',
        config.ranges,
        "ranges without this server's and the router's address",
      );
    }
    end = range.last;
    total += range.last - range.first + 1;
  }
  if (total > MAX_POOL_ADDRESSES) {
    throw invalid('ranges', config.ranges, `${MAX_POOL_ADDRESSES} addresses or fewer in all`);
  }
  return parsed;
}

function reservations(
  config: FullDhcpConfig,
  local: ParseAddress,
  serverAddress: number,
): ReadonlyMap<string, number> {
  const byMac = new Map<string, number>();
  const seen = new Set<number>([serverAddress]);
  for (const entry of config.reservations) {
    const mac = parseMac(entry.mac);
    if (mac === undefined) throw invalid('reservations', entry.mac, 'a MAC address');
    const address = local('reservations', entry.address);
    if (byMac.has(mac) || seen.has(address)) {
      throw invalid('reservations', entry, 'each MAC and each address once');
    }
    seen.add(address);
    byMac.set(mac, address);
  }
  return byMac;
}
