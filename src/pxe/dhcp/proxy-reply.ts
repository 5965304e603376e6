/**
 * Proxy mode (PXE 2.1 §2.2): another server gives the address, we give the boot file. Pure: a packet
 * and what the client is, to a reply or none.
 *
 * Found out by those who did it before (dnsmasq, pixiecore, smee; docs/BOOT.md):
 * - BIOS firmware gets the file at once, with option 43 saying "use it, do not discover".
 * - UEFI firmware gets an offer without option 43 and without a file. It then asks port 4011, where
 *   the file is. Many implementations stumble over option 43 in the first offer.
 * - HTTP firmware takes an offer only if it says HTTPClient, and never asks port 4011.
 */

import type { Firmware } from '../boot-catalog.ts';
import { type BootInstructions, bootFields, buildReply, type ReplyOptions } from './build-reply.ts';
import { DHCP_OPTION, PXE_BYPASS_DISCOVERY, PXE_OPTION } from './wire/option-numbers.ts';
import { decodeEncapsulated, encodeOptions } from './wire/options.ts';
import type { DhcpPacket } from './wire/packet.ts';

export interface ProxyBoot extends BootInstructions {
  readonly firmware: Firmware;
}

/** Which of our two sockets heard the packet: the broadcast one (67) or the boot server (4011). */
export type ProxyPort = 'dhcp' | 'boot-server';

/** True for a packet that this mode answers at all; the rest is for the other DHCP server. */
export function proxyListensTo(request: DhcpPacket, port: ProxyPort): boolean {
  switch (request.message) {
    case 'DISCOVER':
      return port === 'dhcp';
    case 'REQUEST':
    case 'INFORM':
      return port === 'boot-server' || bootItem(request) !== undefined;
    case 'OFFER':
    case 'ACK':
    case 'NAK':
    case 'DECLINE':
    case 'RELEASE':
      return false;
  }
}

export function proxyReply(request: DhcpPacket, boot: ProxyBoot): DhcpPacket {
  return request.message === 'DISCOVER' ? offer(request, boot) : bootServerAck(request, boot);
}

function offer(request: DhcpPacket, boot: ProxyBoot): DhcpPacket {
  const comesBack = boot.stage === 'pxe-firmware' && boot.firmware === 'uefi';
  const fields = comesBack
    ? { siaddr: boot.serverAddress, options: new Map() }
    : bootFields(request, boot);
  const options: ReplyOptions = new Map([vendorClass(boot), ...fields.options]);
  if (!comesBack && boot.stage !== 'http-firmware') {
    options.set(DHCP_OPTION.VENDOR_SPECIFIC, pxeOptions(undefined));
  }
  // The client has no address yet, and some firmware forgets to ask for broadcast.
  return buildReply(request, 'OFFER', boot.serverAddress, { ...fields, broadcast: true, options });
}

function bootServerAck(request: DhcpPacket, boot: ProxyBoot): DhcpPacket {
  const fields = bootFields(request, boot);
  const options: ReplyOptions = new Map([vendorClass(boot), ...fields.options]);
  if (boot.stage !== 'http-firmware') {
    options.set(DHCP_OPTION.VENDOR_SPECIFIC, pxeOptions(bootItem(request)));
  }
  return buildReply(request, 'ACK', boot.serverAddress, {
    ...fields,
    ciaddr: request.ciaddr,
    options,
  });
}

function vendorClass(boot: ProxyBoot): readonly [number, Buffer] {
  const name = boot.stage === 'http-firmware' ? 'HTTPClient' : 'PXEClient';
  return [DHCP_OPTION.VENDOR_CLASS, Buffer.from(name)];
}

/** The boot item (43.71) that a boot-server request names and its answer repeats (PXE 2.1 §2.2.5). */
function bootItem(request: DhcpPacket): Buffer | undefined {
  const encapsulated = decodeEncapsulated(request.options.get(DHCP_OPTION.VENDOR_SPECIFIC));
  return encapsulated.get(PXE_OPTION.BOOT_ITEM);
}

function pxeOptions(item: Buffer | undefined): Buffer {
  return encodeOptions([
    [PXE_OPTION.DISCOVERY_CONTROL, Buffer.from([PXE_BYPASS_DISCOVERY])],
    ...(item === undefined ? [] : [[PXE_OPTION.BOOT_ITEM, item] as const]),
  ]);
}
