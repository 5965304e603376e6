/**
 * Where a reply goes (RFC 2131 §4.1). One difference: a client without an address that could take
 * unicast still gets broadcast, since that needs an ARP entry made by hand, which Node cannot do. The
 * RFC allows it ("if unicasting is not possible, the message MAY be sent … broadcast").
 */
import type { DhcpPacket } from './wire/packet.ts';

export type ReplyDestination =
  | { readonly kind: 'relay'; readonly address: number }
  | { readonly kind: 'client'; readonly address: number }
  | { readonly kind: 'broadcast' };

export function replyDestination(request: DhcpPacket, reply: DhcpPacket): ReplyDestination {
  if (request.giaddr !== 0) return { kind: 'relay', address: request.giaddr };
  // §4.3.2: a NAK is broadcast, for the address that the client believes to have may be wrong.
  if (reply.message === 'NAK') return { kind: 'broadcast' };
  if (request.ciaddr !== 0) return { kind: 'client', address: request.ciaddr };
  return { kind: 'broadcast' };
}
