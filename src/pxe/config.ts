/** Configuration of the PXE servers: a plain object; the service owns the schema and the defaults. */
import type { UefiLoader } from './boot-loaders.ts';

export interface AddressRange {
  /** Dotted quads, both inclusive, inside the subnet. */
  readonly first: string;
  readonly last: string;
}

export interface Reservation {
  /** `52:54:00:12:34:56`; hyphens and upper case are accepted. */
  readonly mac: string;
  readonly address: string;
}

/** Another network, whose relays (RFC 1542) pass its machines' requests on to us. */
export interface RelayedSubnet {
  /** Dotted quad and bits: `10.78.0.0/24`. */
  readonly network: string;
  readonly ranges: readonly AddressRange[];
  /** Its machines reach us through it. */
  readonly router: string;
}

export interface FullDhcpConfig {
  readonly mode: 'full';
  /** Dotted quad, e.g. `255.255.255.0`. */
  readonly netmask: string;
  readonly ranges: readonly AddressRange[];
  /** Each in the subnet that its address is of. */
  readonly reservations: readonly Reservation[];
  readonly subnets?: readonly RelayedSubnet[];
  readonly router: string | undefined;
  readonly dnsServers: readonly string[];
  readonly domainName: string | undefined;
  /** Seconds, 60 or more. */
  readonly leaseSeconds: number;
}

export type DhcpConfig =
  | { readonly mode: 'off' }
  /** Beside an existing DHCP server on another host: addresses come from there. */
  | { readonly mode: 'proxy' }
  | FullDhcpConfig;

export interface PxePorts {
  /** 67. */
  readonly dhcp: number;
  /** 68: where clients listen. */
  readonly dhcpClient: number;
  /** 4011: the boot server of proxy mode. */
  readonly bootServer: number;
  /** 69. */
  readonly tftp: number;
  /** Any; 0 takes a free one. */
  readonly http: number;
}

export interface PxeConfig {
  /**
   * The IPv4 address of this host on the machines' network. DHCP replies leave through the interface
   * that holds it; TFTP and HTTP listen on it.
   */
  readonly serverAddress: string;
  /** Where replies to machines without an address go. `255.255.255.255` unless there is a reason. */
  readonly broadcastAddress: string;
  readonly dhcp: DhcpConfig;
  /** false: no TFTP server (loaders come from elsewhere, or every machine does UEFI HTTP boot). */
  readonly tftp: boolean;
  readonly ports: PxePorts;
  /**
   * How machines reach our HTTP server, without a slash at the end. undefined:
   * `http://serverAddress:port`.
   */
  readonly httpBaseUrl: string | undefined;
  /** Where machines reach the NBD server. */
  readonly nbd: { readonly address: string; readonly port: number };
  /** Looked through in order for boot loader files. See DEFAULT_LOADER_FOLDERS. */
  readonly loaderFolders: readonly string[];
  /**
   * For UEFI machines that nothing else is said about. `snponly.efi` drives the card through the firmware:
   * for cards that iPXE has no driver for. `shimx64.efi` (and the GRUB that it loads) is signed.
   */
  readonly uefiLoader: UefiLoader;
}

/** Where Debian's packages put the loaders: ipxe, shim-signed, grub-efi-amd64-signed and -arm64-signed. */
export const DEFAULT_LOADER_FOLDERS: readonly string[] = [
  '/usr/lib/ipxe',
  '/boot',
  '/usr/lib/shim',
  '/usr/lib/grub/x86_64-efi-signed',
  '/usr/lib/grub/arm64-efi-signed',
];
