/**
 * What TFTP serves: a closed set. A request's name is compared, never joined to a folder, so `..`,
 * absolute paths and backslashes are just names that do not exist.
 */
import { isLoaderName, type LoaderName } from '../boot-loaders.ts';
import { parseMac } from '../mac-address.ts';

export type ServedName =
  | { readonly kind: 'loader'; readonly name: LoaderName }
  | { readonly kind: 'script'; readonly mac: string };

/** One leading slash is dropped: `tftp://server/ipxe.efi` arrives as either. */
export function servedName(requested: string): ServedName | undefined {
  const name = requested.startsWith('/') ? requested.slice(1) : requested;
  if (isLoaderName(name)) return { kind: 'loader', name };
  const mac = name.endsWith('.ipxe') ? parseMac(name.slice(0, -'.ipxe'.length)) : undefined;
  return mac === undefined ? undefined : { kind: 'script', mac };
}
