/**
 * Which subnet a packet is of. A relay says it by its own address (giaddr, RFC 1542 §4.1.1); where that is
 * not on the machines' network, by the link-selection sub-option of option 82 (RFC 3527 §3), which then
 * counts alone. A client that has an address and asks us past the relay (renewing, RFC 2131 §4.3.6) is of
 * its address's. All others are on our own network.
 */
import { formatIpv4, sameSubnet } from '../../base/index.ts';
import type { AddressPool } from './address-pool.ts';
import type { FullRules } from './full-rules.ts';
import { DHCP_OPTION, RELAY_OPTION } from './wire/option-numbers.ts';
import { decodeEncapsulated } from './wire/options.ts';
import type { DhcpPacket } from './wire/packet.ts';

export interface Subnet {
  readonly rules: FullRules;
  readonly pool: AddressPool;
}

export type SelectedSubnet =
  | { readonly kind: 'subnet'; readonly subnet: Subnet }
  /** Nothing is configured for where the relay says that the client is. */
  | { readonly kind: 'unknown'; readonly reason: string };

/** @param subnets our own first */
export function selectSubnet(
  request: DhcpPacket,
  subnets: readonly [Subnet, ...Subnet[]],
): SelectedSubnet {
  const [own] = subnets;
  const find = (address: number): Subnet | undefined =>
    subnets.find(({ rules }) => sameSubnet(address, rules.network, rules.netmask));
  const { giaddr, ciaddr } = request;
  if (giaddr === 0) {
    const subnet = ciaddr === 0 ? own : (find(ciaddr) ?? own);
    return { kind: 'subnet', subnet };
  }
  const link = linkSelection(request);
  const subnet = find(link ?? giaddr);
  if (subnet !== undefined) return { kind: 'subnet', subnet };
  const relay = formatIpv4(giaddr);
  const where = link === undefined ? relay : `${relay}, link ${formatIpv4(link)}`;
  return { kind: 'unknown', reason: `no addresses for the relay ${where}` };
}

function linkSelection({ options }: DhcpPacket): number | undefined {
  const information = decodeEncapsulated(options.get(DHCP_OPTION.RELAY_AGENT_INFORMATION));
  const link = information.get(RELAY_OPTION.LINK_SELECTION);
  return link?.length === 4 ? link.readUInt32BE(0) : undefined;
}
