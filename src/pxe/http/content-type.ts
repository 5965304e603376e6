/** UEFI HTTP Boot takes the type of an image from here (EDK2 HttpBootSupport.c). */
export const CONTENT_TYPE = {
  efi: 'application/efi',
  /** A BIOS loader, a kernel, an initrd. */
  binary: 'application/octet-stream',
  script: 'text/plain; charset=utf-8',
  json: 'application/json; charset=utf-8',
  /** Lines for a shell. */
  env: 'text/plain; charset=utf-8',
} as const;

export function loaderContentType(name: string): string {
  return name.endsWith('.efi') ? CONTENT_TYPE.efi : CONTENT_TYPE.binary;
}
