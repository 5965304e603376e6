/** The URLs of our HTTP server: written into DHCP replies and scripts, read by its routes. */
import type { BootFileRequest } from './boot-catalog.ts';
import { hyphenated } from './mac-address.ts';

/** First part of every path. */
export const BOOT_PATH = '/boot';

export function scriptUrl(baseUrl: string, mac: string): string {
  return `${baseUrl}${BOOT_PATH}/${hyphenated(mac)}.ipxe`;
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
