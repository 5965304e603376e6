/**
 * Who is asking: a machine's firmware, iPXE, or an operating system that only wants an address.
 * docs/BOOT.md has the table of what real firmware sends.
 */
import type { BootClient, ClientArchitecture, Firmware } from '../boot-catalog.ts';
import { DHCP_OPTION, IPXE_OPTION } from './wire/option-numbers.ts';
import { decodeEncapsulated } from './wire/options.ts';
import type { DhcpPacket } from './wire/packet.ts';

export type ClientStage =
  /** Loads a file by TFTP: the network card's PXE ROM or UEFI's PXE driver. */
  | 'pxe-firmware'
  /** UEFI HTTP Boot: loads a file by URL. */
  | 'http-firmware'
  /** iPXE that can fetch its script by HTTP. */
  | 'ipxe'
  /** iPXE built without HTTP (some network cards' ROMs): needs our loader first. */
  | 'ipxe-without-http';

export type ClassifiedClient =
  | { readonly kind: 'boot'; readonly stage: ClientStage; readonly client: BootClient }
  /** Wants to boot, but no architecture that we know: `code` is what it sent. */
  | { readonly kind: 'unknown-architecture'; readonly code: number | undefined }
  | { readonly kind: 'plain' };

interface KnownArchitecture {
  readonly architecture: ClientArchitecture;
  readonly firmware: Firmware;
}

/** Option 93. 7 and 9 are both x86-64: RFC 4578 and IANA disagree, and firmware follows either. */
const ARCHITECTURES: ReadonlyMap<number, KnownArchitecture> = new Map([
  [0, { architecture: 'x86-bios', firmware: 'bios' }],
  [6, { architecture: 'x86-uefi', firmware: 'uefi' }],
  [7, { architecture: 'x64-uefi', firmware: 'uefi' }],
  [9, { architecture: 'x64-uefi', firmware: 'uefi' }],
  [10, { architecture: 'arm-uefi', firmware: 'uefi' }],
  [11, { architecture: 'arm64-uefi', firmware: 'uefi' }],
  [15, { architecture: 'x86-uefi', firmware: 'uefi' }],
  [16, { architecture: 'x64-uefi', firmware: 'uefi' }],
  [18, { architecture: 'arm-uefi', firmware: 'uefi' }],
  [19, { architecture: 'arm64-uefi', firmware: 'uefi' }],
]);

export function classifyClient(packet: DhcpPacket): ClassifiedClient {
  const vendorClass = packet.options.get(DHCP_OPTION.VENDOR_CLASS)?.toString('latin1') ?? '';
  const http = vendorClass.startsWith('HTTPClient');
  const ipxe = isIpxe(packet);
  if (!http && !ipxe && !vendorClass.startsWith('PXEClient')) return { kind: 'plain' };
  const codes = architectureCodes(packet, vendorClass);
  const known = codes.map((code) => ARCHITECTURES.get(code)).find((entry) => entry !== undefined);
  if (known === undefined) return { kind: 'unknown-architecture', code: codes[0] };
  return {
    kind: 'boot',
    stage: ipxe ? ipxeStage(packet) : http ? 'http-firmware' : 'pxe-firmware',
    client: { mac: packet.mac, ...known, uuid: machineUuid(packet) },
  };
}

/** All the codes of option 93 (a list is legal), else the one in `PXEClient:Arch:00000:UNDI:…`. */
function architectureCodes(packet: DhcpPacket, vendorClass: string): readonly number[] {
  const option = packet.options.get(DHCP_OPTION.CLIENT_ARCHITECTURE);
  const codes: number[] = [];
  for (let at = 0; option !== undefined && at + 2 <= option.length; at += 2) {
    codes.push(option.readUInt16BE(at));
  }
  if (codes.length > 0) return codes;
  const named = /:Arch:(\d{5})/.exec(vendorClass)?.[1];
  return named === undefined ? [] : [Number(named)];
}

function isIpxe(packet: DhcpPacket): boolean {
  if (packet.options.has(DHCP_OPTION.IPXE_ENCAPSULATED)) return true;
  return userClasses(packet.options.get(DHCP_OPTION.USER_CLASS)).includes('iPXE');
}

/** RFC 3004 says a list of length-prefixed strings; iPXE sends its name bare. Both are read. */
export function userClasses(value: Buffer | undefined): readonly string[] {
  if (value === undefined || value.length === 0) return [];
  const classes: string[] = [];
  let at = 0;
  while (at < value.length) {
    const length = value.readUInt8(at);
    if (length === 0 || at + 1 + length > value.length) return [value.toString('latin1')];
    classes.push(value.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return classes;
}

/** Without option 175 (a relay may drop it) iPXE is taken to be able, as nearly every build is. */
function ipxeStage(packet: DhcpPacket): ClientStage {
  const value = packet.options.get(DHCP_OPTION.IPXE_ENCAPSULATED);
  if (value === undefined) return 'ipxe';
  return decodeEncapsulated(value).has(IPXE_OPTION.FEATURE_HTTP) ? 'ipxe' : 'ipxe-without-http';
}

/** Option 97: a zero, then the SMBIOS UUID, its first three fields little-endian as firmware sends. */
function machineUuid(packet: DhcpPacket): string | undefined {
  const value = packet.options.get(DHCP_OPTION.CLIENT_MACHINE_IDENTIFIER);
  if (value?.length !== 17 || value.readUInt8(0) !== 0) return undefined;
  const hex = value.toString('hex', 1);
  if (/^(0+|f+)$/.test(hex)) return undefined; // a board whose maker set none
  const swapped = (from: number, to: number) =>
    Buffer.from(hex.slice(from, to), 'hex').reverse().toString('hex');
  return [swapped(0, 8), swapped(8, 12), swapped(12, 16), hex.slice(16, 20), hex.slice(20)].join(
    '-',
  );
}
