/**
 * What TFTP serves: a closed set. A request's name is compared, never joined to a folder, so `..`,
 * absolute paths and backslashes are just names that do not exist.
 */
import type { BootFileRequest } from '../boot-catalog.ts';
import { isLoaderName, type LoaderName } from '../boot-loaders.ts';
import { BOOT_PATH } from '../boot-urls.ts';
import { parseMac } from '../mac-address.ts';
import { LAYER_ID } from '../script/kernel-command-line.ts';
import { type ServedScript, servedScript } from '../served-script.ts';

export type ServedName =
  | { readonly kind: 'loader'; readonly name: LoaderName }
  | { readonly kind: 'script'; readonly script: ServedScript }
  /** A kernel or an initrd: GRUB without HTTP fetches them this way. */
  | { readonly kind: 'boot-file'; readonly file: BootFileRequest };

const BOOT_FILE = new RegExp(`^${BOOT_PATH}/([^/]+)/([^/]+)/(kernel|initrd)$`);

/** Asked for by shim and GRUB in passing: that they are not there is nothing to tell anybody. */
const USUALLY_ABSENT =
  /^\/(revocations(_sku|_sbat)?\.efi|shim_certificate_\d+\.efi|grub\/[a-z0-9_]+-efi\/[a-z]+\.(lst|mod))$/;

/** `tftp://server/ipxe.efi` arrives with its slash or without. */
export function servedName(requested: string): ServedName | undefined {
  const path = requested.startsWith('/') ? requested : `/${requested}`;
  const name = path.slice(1);
  if (isLoaderName(name)) return { kind: 'loader', name };
  const script = servedScript(path);
  if (script !== undefined) return { kind: 'script', script };
  const [, address = '', layerId = '', role] = BOOT_FILE.exec(path) ?? [];
  const mac = parseMac(address);
  if (mac === undefined || !LAYER_ID.test(layerId)) return undefined;
  if (role !== 'kernel' && role !== 'initrd') return undefined;
  return { kind: 'boot-file', file: { mac, layerId, role } };
}

export function isUsuallyAbsent(requested: string): boolean {
  return USUALLY_ABSENT.test(requested.startsWith('/') ? requested : `/${requested}`);
}
