/**
 * What happened before a machine asked for its boot: its firmware's DHCP, and the loader that it fetched. There
 * is no boot yet that this could be written to, and most of it never comes to one; so it is kept in memory,
 * and a restart forgets it.
 */
import { MAX_PRELUDES, PRELUDE_GAP_MS } from '../limits.ts';

interface Prelude {
  readonly dhcpAt: number;
  lastAt: number;
}

export class BootPreludes {
  /** By MAC address, the one heard of last at the end. */
  readonly #machines = new Map<string, Prelude>();
  /** When a loader was sent there, by address. */
  readonly #loaders = new Map<string, number>();
  readonly #addresses = new Map<string, string>();

  /** The firmware asks; it repeats itself, and the first of a boot counts. */
  dhcp(mac: string, at: number): void {
    const known = this.#machines.get(mac);
    const goesOn = known !== undefined && at - known.lastAt < PRELUDE_GAP_MS;
    keep(this.#machines, mac, { dhcpAt: goesOn ? known.dhcpAt : at, lastAt: at });
  }

  loader(address: string, at: number): void {
    keep(this.#loaders, address, at);
  }

  /** The machine that asks for its script is at this address. */
  script(mac: string, address: string, at: number): void {
    keep(this.#addresses, mac, address);
    const known = this.#machines.get(mac);
    // While it waits in a queue its firmware is silent, and this is still the same boot.
    if (known !== undefined && at - known.lastAt < PRELUDE_GAP_MS) known.lastAt = at;
  }

  /** For the boot that begins now; forgotten afterwards. */
  take(mac: string, at: number): { readonly dhcp?: number; readonly loader?: number } {
    const prelude = this.#machines.get(mac);
    const address = this.#addresses.get(mac);
    const loader = address === undefined ? undefined : this.#loaders.get(address);
    this.#machines.delete(mac);
    this.#addresses.delete(mac);
    if (address !== undefined) this.#loaders.delete(address);
    const isOwn = prelude !== undefined && at - prelude.lastAt < PRELUDE_GAP_MS;
    const dhcp = isOwn ? prelude.dhcpAt : undefined;
    // Without DHCP of its own the loader may be of a machine that had the address before.
    const isSince = dhcp !== undefined && loader !== undefined && loader >= dhcp;
    return {
      ...(dhcp === undefined ? {} : { dhcp }),
      ...(isSince ? { loader } : {}),
    };
  }
}

function keep<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MAX_PRELUDES) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
