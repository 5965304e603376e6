/**
 * Addresses of full mode: who has which, until when. Pure bookkeeping; time comes with each call and
 * the leases go to their store by the caller.
 *
 * A machine is its MAC address, not its client identifier: the firmware, iPXE and the initramfs of
 * one machine send three different identifiers in one boot, and would take three addresses.
 *
 * An address whose lease has ended is still not free while its machine is up: a root file system over
 * the network keeps the address that the initramfs took, and nobody renews it.
 */

import { formatIpv4, parseIpv4 } from '../../base/index.ts';
import type { Lease } from '../boot-catalog.ts';
import { DECLINE_QUARANTINE_MS, OFFER_HOLD_MS } from '../limits.ts';

export interface PoolRules {
  /** Inclusive, in order, not overlapping. */
  readonly ranges: readonly { readonly first: number; readonly last: number }[];
  /** MAC to address; inside or outside the ranges. */
  readonly reservations: ReadonlyMap<string, number>;
  readonly leaseMs: number;
}

interface Binding {
  readonly address: number;
  readonly mac: string;
  readonly state: 'offered' | 'bound' | 'declined';
  /** Past it the binding is only a preference: the same client gets the same address again. */
  readonly until: number;
}

/** Why an address cannot be had by a client. */
export type AddressRefusal = 'not-in-pool' | 'reserved-for-another' | 'in-use' | 'quarantined';

export class AddressPool {
  readonly #rules: PoolRules;
  readonly #isUp: (mac: string) => boolean;
  readonly #byAddress = new Map<number, Binding>();
  readonly #byMac = new Map<string, number>();
  readonly #reservedFor = new Map<number, string>();
  #abandoned: string[] = [];

  /** @param isUp whether the machine of an ended lease may be running */
  constructor(rules: PoolRules, leases: readonly Lease[], isUp: (mac: string) => boolean) {
    this.#rules = rules;
    this.#isUp = isUp;
    for (const [mac, address] of rules.reservations) this.#reservedFor.set(address, mac);
    // Oldest first: where a store holds two leases of a machine, the later one is its own.
    for (const lease of leases.toSorted((a, b) => a.expiresAt - b.expiresAt)) {
      const address = parseIpv4(lease.address);
      if (address === undefined || !this.#inPool(address)) continue;
      this.#bind({ address, mac: lease.mac, state: lease.state, until: lease.expiresAt });
    }
  }

  /** The address that this client has or had, and whether its lease still runs. */
  recordOf(mac: string, now: number): { address: number; bound: boolean } | undefined {
    const address = this.#byMac.get(mac);
    const binding = address === undefined ? undefined : this.#byAddress.get(address);
    if (binding === undefined || binding.mac !== mac || binding.state === 'declined') {
      return undefined;
    }
    return { address: binding.address, bound: binding.state === 'bound' && binding.until > now };
  }

  /**
   * RFC 2131 §4.3.1: the current address, the one before, the one asked for, any free one. Holds it
   * for a while; a client that repeats its DISCOVER gets the same again.
   */
  offer(mac: string, requested: number | undefined, now: number): number | undefined {
    const address = this.#choose(mac, requested, now);
    if (address === undefined) return undefined;
    const current = this.#byAddress.get(address);
    const bound = current?.mac === mac && current.state === 'bound' && current.until > now;
    if (!bound) this.#bind({ address, mac, state: 'offered', until: now + OFFER_HOLD_MS });
    return address;
  }

  /** undefined: the client may have this address now. */
  refusal(mac: string, address: number, now: number): AddressRefusal | undefined {
    const reserved = this.#rules.reservations.get(mac);
    if (reserved !== undefined && reserved !== address) return 'not-in-pool';
    const owner = this.#reservedFor.get(address);
    if (owner !== undefined && owner !== mac) return 'reserved-for-another';
    if (!this.#inPool(address)) return 'not-in-pool';
    const binding = this.#byAddress.get(address);
    if (binding === undefined) return undefined;
    const ended = binding.until <= now;
    if (binding.state === 'declined') return ended ? undefined : 'quarantined';
    if (binding.mac === mac) return undefined;
    return ended && !this.#isUp(binding.mac) ? undefined : 'in-use';
  }

  /** Leases an address that `refusal` has nothing against. A machine has one address. */
  lease(mac: string, address: number, now: number): Lease {
    const until = now + this.#rules.leaseMs;
    this.#bind({ address, mac, state: 'bound', until });
    return { address: formatIpv4(address), mac, state: 'bound', expiresAt: until };
  }

  /** The client took another server's offer. */
  withdrawOffer(mac: string): void {
    const address = this.#byMac.get(mac);
    const binding = address === undefined ? undefined : this.#byAddress.get(address);
    if (binding?.mac !== mac || binding.state !== 'offered') return;
    this.#byAddress.delete(binding.address);
    this.#byMac.delete(mac);
  }

  /** Ends a lease but remembers it. undefined: it was not this client's. */
  release(mac: string, address: number, now: number): Lease | undefined {
    const binding = this.#byAddress.get(address);
    if (binding?.mac !== mac || binding.state !== 'bound' || binding.until <= now) return undefined;
    this.#bind({ ...binding, until: now });
    return { address: formatIpv4(address), mac, state: 'bound', expiresAt: now };
  }

  /** Somebody else uses the address (RFC 2131 §3.1 step 5). undefined: it was not this client's. */
  decline(mac: string, address: number, now: number): Lease | undefined {
    const binding = this.#byAddress.get(address);
    if (binding?.mac !== mac || binding.state === 'declined') return undefined;
    const until = now + DECLINE_QUARANTINE_MS;
    this.#bind({ address, mac, state: 'declined', until });
    return { address: formatIpv4(address), mac, state: 'declined', expiresAt: until };
  }

  /** Leases that ended since the last call because their machine moved to another address. */
  takeAbandoned(): readonly string[] {
    const abandoned = this.#abandoned;
    this.#abandoned = [];
    return abandoned;
  }

  #choose(mac: string, requested: number | undefined, now: number): number | undefined {
    const reserved = this.#rules.reservations.get(mac);
    if (reserved !== undefined) {
      return this.refusal(mac, reserved, now) === undefined ? reserved : undefined;
    }
    const wanted = [this.recordOf(mac, now)?.address, requested];
    for (const address of wanted) {
      if (address !== undefined && this.refusal(mac, address, now) === undefined) return address;
    }
    return this.#firstFree(mac, now);
  }

  /** A never-used address if there is one, else the one whose lease ended longest ago. */
  #firstFree(mac: string, now: number): number | undefined {
    let oldest: Binding | undefined;
    for (const { first, last } of this.#rules.ranges) {
      for (let address = first; address <= last; address++) {
        const binding = this.#byAddress.get(address);
        if (binding !== undefined && binding.until > now) continue;
        if (this.refusal(mac, address, now) !== undefined) continue;
        if (binding === undefined) return address;
        if (oldest === undefined || binding.until < oldest.until) oldest = binding;
      }
    }
    return oldest?.address;
  }

  #inPool(address: number): boolean {
    if (this.#reservedFor.has(address)) return true;
    return this.#rules.ranges.some(({ first, last }) => first <= address && address <= last);
  }

  #abandon(address: number): void {
    if (this.#byAddress.get(address)?.state === 'bound') this.#abandoned.push(formatIpv4(address));
    this.#byAddress.delete(address);
  }

  /** Keeps the two maps inverse to each other: a machine has one address, an address one machine. */
  #bind(binding: Binding): void {
    const { address, mac } = binding;
    const before = this.#byAddress.get(address);
    if (before !== undefined && this.#byMac.get(before.mac) === address) {
      this.#byMac.delete(before.mac);
    }
    this.#byAddress.set(address, binding);
    // A quarantined address is nobody's: its finder keeps, or gets, another.
    if (binding.state === 'declined') return;
    const earlier = this.#byMac.get(mac);
    if (earlier !== undefined && earlier !== address) this.#abandon(earlier);
    this.#byMac.set(mac, address);
  }
}
