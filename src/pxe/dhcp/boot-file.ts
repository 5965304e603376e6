/**
 * Which file for whom. Chain-loading cannot loop: firmware gets our iPXE, iPXE with HTTP gets its
 * script, and our iPXE always has HTTP.
 */

import type { BootClient } from '../boot-catalog.ts';
import { loaderFor } from '../boot-loaders.ts';
import { loaderUrl, scriptUrl } from '../boot-urls.ts';
import type { ClientStage } from './classify-client.ts';

export interface BootFileRules {
  readonly baseUrl: string;
  readonly uefiLoader: 'ipxe.efi' | 'snponly.efi';
}

/** A TFTP file name on this server, or a URL. */
export function bootFileFor(stage: ClientStage, client: BootClient, rules: BootFileRules): string {
  const loader = loaderFor(client.architecture, rules.uefiLoader);
  switch (stage) {
    case 'ipxe':
      return scriptUrl(rules.baseUrl, client.mac);
    case 'http-firmware':
      return loaderUrl(rules.baseUrl, loader);
    case 'pxe-firmware':
    case 'ipxe-without-http':
      return loader;
  }
}
