/** The URLs of our HTTP server: written into DHCP replies and scripts, read by its routes. */
import type { BootFileRequest } from './boot-catalog.ts';
import { hyphenated } from './mac-address.ts';
import { type StaticNetwork, staticSuffix } from './static-network.ts';

/** First part of every path. */
export const BOOT_PATH = '/boot';

const MAC = /^[0-9a-f:]{17}$/;

/**
 * @param mac or what iPXE makes it of
 * @param network what the machine's boot medium says of it; it says so again at each try
 */
export function scriptUrl(baseUrl: string, mac: string, network?: StaticNetwork): string {
  const name = MAC.test(mac) ? hyphenated(mac) : mac;
  return `${baseUrl}${BOOT_PATH}/${name}${staticSuffix(network)}.ipxe`;
}

export function loaderUrl(baseUrl: string, loader: string): string {
  return `${baseUrl}${BOOT_PATH}/${loader}`;
}

export function fileUrl(baseUrl: string, file: BootFileRequest): string {
  return `${baseUrl}${filePath(file)}`;
}

/** By HTTP and by TFTP. */
export function filePath(file: BootFileRequest): string {
  return `${BOOT_PATH}/${hyphenated(file.mac)}/${file.layerId}/${file.role}`;
}

/** What GRUB begins with: below the folder that it came from, in front of its own name for a platform. */
export const GRUB_START_PATHS = ['/grub', '/grub/x86_64-efi', '/grub/arm64-efi'].map(
  (folder) => `${folder}/grub.cfg`,
);

/** @param mac as GRUB knows it, with colons */
export function grubConfigPath(mac: string): string {
  return `${BOOT_PATH}/${mac}.grub`;
}
