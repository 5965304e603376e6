import { ownAddresses } from '../base/index.ts';
import { type Config, xenapiListen } from './config/index.ts';

/** What listens on every address has none of its own. */
const ANY = new Set(['0.0.0.0', '::', '*']);
const LOOPBACK = '127.0.0.1';

/** What clients of XenAPI are told to reach this server by: as configured, or the first that leads here. */
export function xenapiAddress(
  config: Config,
  addresses: readonly string[] = ownAddresses(),
): string {
  const { address } = config.xenapi;
  if (address !== undefined) return address;
  const host = xenapiListen(config)?.host;
  if (host !== undefined && !ANY.has(host)) return host;
  const outside = addresses.filter((own) => !own.startsWith('127.') && own !== '::1');
  const isIpv4 = (own: string): boolean => !own.includes(':');
  const isRouted = (own: string): boolean => !own.toLowerCase().startsWith('fe80:');
  return config.pxe.address ?? outside.find(isIpv4) ?? outside.find(isRouted) ?? LOOPBACK;
}
