/**
 * Addresses that a machine was given by its boot medium instead of by DHCP. They travel in the name of its
 * script (`<mac>+ADDRESS+NETMASK+ROUTER.ipxe`; GRUB has no queries), so that the kernel is told the same.
 */
import { formatIpv4, isNetmask, parseIpv4, sameSubnet } from '../base/index.ts';

export interface StaticNetwork {
  /** Dotted quads, as are the others. */
  readonly address: string;
  readonly netmask: string;
  readonly router: string | undefined;
}

const NO_ROUTER = 'none';

/** Goes between a machine's address and `.ipxe` or `.grub`. */
export function staticSuffix(network: StaticNetwork | undefined): string {
  if (network === undefined) return '';
  const { address, netmask, router = NO_ROUTER } = network;
  return `+${address}+${netmask}+${router}`;
}

/** undefined: not what `staticSuffix` makes. */
export function parseStaticSuffix(text: string): StaticNetwork | undefined {
  const [before, address = '', netmask = '', router = '', ...more] = text.split('+');
  if (before !== '' || more.length > 0) return undefined;
  const mask = parseIpv4(netmask);
  const own = parseIpv4(address);
  const next = router === NO_ROUTER ? own : parseIpv4(router);
  if (mask === undefined || own === undefined || next === undefined || !isNetmask(mask)) {
    return undefined;
  }
  if (!sameSubnet(own, next, mask)) return undefined;
  return {
    address: formatIpv4(own),
    netmask: formatIpv4(mask),
    router: router === NO_ROUTER ? undefined : formatIpv4(next),
  };
}
