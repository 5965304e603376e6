/**
 * Which file for whom. Chain-loading cannot loop: firmware gets our iPXE, iPXE with HTTP gets its
 * script, and our iPXE always has HTTP.
 */

import type { BootClient, LoaderChoice } from '../boot-catalog.ts';
import { loaderFor, type UefiLoader } from '../boot-loaders.ts';
import { loaderUrl, scriptUrl } from '../boot-urls.ts';
import type { ClientStage } from './classify-client.ts';

export interface BootFileRules {
  readonly baseUrl: string;
  readonly uefiLoader: UefiLoader;
}

/** A TFTP file name on this server, or a URL. */
export function bootFileFor(
  stage: ClientStage,
  client: BootClient,
  choice: LoaderChoice | undefined,
  rules: BootFileRules,
): string {
  const loader = loaderFor(client.architecture, rules.uefiLoader, choice);
  switch (stage) {
    case 'ipxe':
      return scriptUrl(rules.baseUrl, client.mac);
    case 'http-firmware':
      return loaderUrl(rules.baseUrl, loader);
    case 'pxe-firmware':
      return loader;
    // It runs, so nothing has refused it: ours does as well.
    case 'ipxe-without-http':
      return loaderFor(client.architecture, rules.uefiLoader, 'ipxe');
  }
}
