/**
 * Full mode: the DHCP server of the network (RFC 2131 §4.3). A packet and the pool in; a reply, the
 * lease to write down before it is sent, and an event out. Which of the four kinds of REQUEST it is
 * says table 4 of §4.3.2.
 */

import { formatIpv4, ipv4Bytes, sameSubnet } from '../../base/index.ts';
import type { Lease } from '../boot-catalog.ts';
import type { PxeEvent } from '../events.ts';
import type { AddressPool } from './address-pool.ts';
import { type BootInstructions, bootFields, buildReply, type ReplyOptions } from './build-reply.ts';
import type { FullRules } from './full-rules.ts';
import { DHCP_OPTION, IPXE_OPTION } from './wire/option-numbers.ts';
import { encodeOptions } from './wire/options.ts';
import type { DhcpPacket } from './wire/packet.ts';

export interface FullOutcome {
  readonly reply: DhcpPacket | undefined;
  /** To be durable before the reply leaves. */
  readonly save: Lease | undefined;
  readonly event: PxeEvent | undefined;
}

const SILENT: FullOutcome = { reply: undefined, save: undefined, event: undefined };

export interface FullContext {
  readonly rules: FullRules;
  readonly pool: AddressPool;
  /** undefined: not booting, or not from us. */
  readonly boot: BootInstructions | undefined;
  readonly now: number;
}

export function fullReply(request: DhcpPacket, context: FullContext): FullOutcome {
  switch (request.message) {
    case 'DISCOVER':
      return discover(request, context);
    case 'REQUEST':
      return requestAddress(request, context);
    case 'DECLINE':
      return decline(request, context);
    case 'RELEASE':
      return release(request, context);
    case 'INFORM':
      return inform(request, context);
    case 'OFFER':
    case 'ACK':
    case 'NAK':
      return SILENT;
  }
}

function refused(request: DhcpPacket, reason: string): FullOutcome {
  return { ...SILENT, event: { type: 'dhcp-refused', mac: request.mac, reason } };
}

function addressOption(request: DhcpPacket, code: number): number | undefined {
  const value = request.options.get(code);
  return value?.length === 4 ? value.readUInt32BE(0) : undefined;
}

/** Nothing, or our own identifier: a client may name another server. */
function isForUs(request: DhcpPacket, { rules }: FullContext): boolean {
  const server = addressOption(request, DHCP_OPTION.SERVER_IDENTIFIER);
  return server === undefined || server === rules.serverAddress;
}

function discover(request: DhcpPacket, context: FullContext): FullOutcome {
  const requested = addressOption(request, DHCP_OPTION.REQUESTED_ADDRESS);
  const address = context.pool.offer(request.mac, requested, context.now);
  if (address === undefined) {
    return { ...SILENT, event: { type: 'dhcp-pool-exhausted', mac: request.mac } };
  }
  return { ...SILENT, reply: leaseReply(request, 'OFFER', address, context) };
}

function requestAddress(request: DhcpPacket, context: FullContext): FullOutcome {
  const requested = addressOption(request, DHCP_OPTION.REQUESTED_ADDRESS);
  if (!isForUs(request, context)) {
    context.pool.withdrawOffer(request.mac);
    return SILENT;
  }
  if (request.options.has(DHCP_OPTION.SERVER_IDENTIFIER)) {
    // SELECTING
    return requested === undefined
      ? refused(request, 'the request names no address')
      : acknowledge(request, requested, context);
  }
  if (requested !== undefined) return initReboot(request, requested, context);
  // RENEWING or REBINDING. A lease that we lost is taken up again when nothing speaks against it.
  return request.ciaddr === 0
    ? refused(request, 'the request names no address')
    : acknowledge(request, request.ciaddr, context);
}

function initReboot(request: DhcpPacket, requested: number, context: FullContext): FullOutcome {
  const { pool, rules, now } = context;
  if (!sameSubnet(requested, rules.network, rules.netmask)) {
    return nak(request, requested, 'not an address of this network', context);
  }
  const record = pool.recordOf(request.mac, now);
  if (record !== undefined) {
    return record.address === requested
      ? acknowledge(request, requested, context)
      : nak(request, requested, 'not the address of this client', context);
  }
  // §4.3.2: without a record of the client, silence. But an address of ours that we know to be
  // another's must not be used, and only a NAK says so.
  const refusal = pool.refusal(request.mac, requested, now);
  return refusal === undefined || refusal === 'not-in-pool'
    ? SILENT
    : nak(request, requested, refusal, context);
}

function acknowledge(request: DhcpPacket, address: number, context: FullContext): FullOutcome {
  const refusal = context.pool.refusal(request.mac, address, context.now);
  if (refusal !== undefined) return nak(request, address, refusal, context);
  const save = context.pool.lease(request.mac, address, context.now);
  return {
    reply: leaseReply(request, 'ACK', address, context),
    save,
    event: { type: 'dhcp-lease', mac: request.mac, address: save.address },
  };
}

function decline(request: DhcpPacket, context: FullContext): FullOutcome {
  const address = addressOption(request, DHCP_OPTION.REQUESTED_ADDRESS);
  if (address === undefined || !isForUs(request, context)) return SILENT;
  const save = context.pool.decline(request.mac, address, context.now);
  if (save === undefined) return SILENT;
  const event = { type: 'dhcp-declined', mac: request.mac, address: save.address } as const;
  return { reply: undefined, save, event };
}

function release(request: DhcpPacket, context: FullContext): FullOutcome {
  if (!isForUs(request, context)) return SILENT;
  const save = context.pool.release(request.mac, request.ciaddr, context.now);
  if (save === undefined) return SILENT;
  const event = { type: 'dhcp-released', mac: request.mac, address: save.address } as const;
  return { reply: undefined, save, event };
}

/** §4.3.5: parameters without a lease, to the address that the client has. */
function inform(request: DhcpPacket, context: FullContext): FullOutcome {
  if (request.ciaddr === 0) return SILENT;
  const boot = bootPart(request, context);
  const reply = buildReply(request, 'ACK', context.rules.serverAddress, {
    ...boot,
    ciaddr: request.ciaddr,
    options: new Map([...networkOptions(context.rules), ...boot.options]),
  });
  return { ...SILENT, reply };
}

function nak(
  request: DhcpPacket,
  address: number,
  reason: string,
  context: FullContext,
): FullOutcome {
  const reply = buildReply(request, 'NAK', context.rules.serverAddress, {
    // §4.3.2: so that the relay broadcasts it.
    broadcast: true,
    options: new Map([[DHCP_OPTION.MESSAGE, Buffer.from(reason)]]),
  });
  return { ...refused(request, `${formatIpv4(address)}: ${reason}`), reply };
}

function leaseReply(
  request: DhcpPacket,
  message: 'OFFER' | 'ACK',
  address: number,
  context: FullContext,
): DhcpPacket {
  const boot = bootPart(request, context);
  const { rules } = context;
  const seconds = (value: number) => ipv4Bytes(Math.floor(value));
  return buildReply(request, message, rules.serverAddress, {
    ...boot,
    ciaddr: message === 'ACK' ? request.ciaddr : 0,
    yiaddr: address,
    options: new Map([
      [DHCP_OPTION.LEASE_TIME, seconds(rules.leaseSeconds)],
      [DHCP_OPTION.RENEWAL_TIME, seconds(rules.leaseSeconds * 0.5)],
      [DHCP_OPTION.REBINDING_TIME, seconds(rules.leaseSeconds * 0.875)],
      ...networkOptions(rules),
      ...boot.options,
    ]),
  });
}

function networkOptions(rules: FullRules): ReplyOptions {
  const broadcast = (rules.network | ~rules.netmask) >>> 0;
  const options: ReplyOptions = new Map([
    [DHCP_OPTION.SUBNET_MASK, ipv4Bytes(rules.netmask)],
    [DHCP_OPTION.BROADCAST_ADDRESS, ipv4Bytes(broadcast)],
  ]);
  if (rules.router !== undefined) options.set(DHCP_OPTION.ROUTER, ipv4Bytes(rules.router));
  if (rules.dnsServers.length > 0) {
    options.set(DHCP_OPTION.DNS_SERVERS, Buffer.concat(rules.dnsServers.map(ipv4Bytes)));
  }
  if (rules.domainName !== undefined) {
    options.set(DHCP_OPTION.DOMAIN_NAME, Buffer.from(rules.domainName, 'latin1'));
  }
  return options;
}

/**
 * Without option 60 and 43 firmware takes the packet as plain DHCP with a boot file, which every ROM
 * knows. UEFI HTTP Boot alone insists on its vendor class; iPXE is told not to wait for a proxy.
 */
function bootPart(
  request: DhcpPacket,
  { boot }: FullContext,
): Partial<DhcpPacket> & { readonly options: ReplyOptions } {
  if (boot === undefined) return { options: new Map() };
  const fields = bootFields(request, boot);
  switch (boot.stage) {
    case 'http-firmware':
      fields.options.set(DHCP_OPTION.VENDOR_CLASS, Buffer.from('HTTPClient'));
      break;
    case 'ipxe':
    case 'ipxe-without-http':
      fields.options.set(
        DHCP_OPTION.IPXE_ENCAPSULATED,
        encodeOptions([[IPXE_OPTION.NO_PXE_DHCP, Buffer.from([1])]]),
      );
      break;
    case 'pxe-firmware':
      break;
  }
  return fields;
}
