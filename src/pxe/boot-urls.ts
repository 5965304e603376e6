/** The URLs of our HTTP server: written into DHCP replies and scripts, read by its routes. */
import type { BootFileRole } from './boot-catalog.ts';
import { hyphenated } from './mac-address.ts';

/** First part of every path. */
export const BOOT_PATH = '/boot';

export function scriptUrl(baseUrl: string, mac: string): string {
  return `${baseUrl}${BOOT_PATH}/${hyphenated(mac)}.ipxe`;
}

export function loaderUrl(baseUrl: string, loader: string): string {
  return `${baseUrl}${BOOT_PATH}/${loader}`;
}

export function fileUrl(
  baseUrl: string,
  file: { readonly mac: string; readonly layerId: string; readonly role: BootFileRole },
): string {
  return `${baseUrl}${BOOT_PATH}/${hyphenated(file.mac)}/${file.layerId}/${file.role}`;
}
