import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIpv4 } from '../../../../src/base/index.ts';
import type { Lease } from '../../../../src/pxe/boot-catalog.ts';
import { AddressPool, type PoolRules } from '../../../../src/pxe/dhcp/address-pool.ts';
import { DECLINE_QUARANTINE_MS, OFFER_HOLD_MS } from '../../../../src/pxe/limits.ts';
import { SEED } from '../../../support/seed.ts';

const LEASE_MS = 100_000;
const MACS = ['a', 'b', 'c', 'd', 'e', 'f'];
const RULES: PoolRules = {
  ranges: [
    { first: 10, last: 12 },
    { first: 20, last: 20 },
  ],
  reservations: new Map([
    ['a', 11],
    ['b', 30],
  ]),
  leaseMs: LEASE_MS,
};
const ADDRESSES = [10, 11, 12, 20, 30];

/**
 * The naive model: a list of claims. It does not say which address is chosen, only what may never
 * happen: an address promised to two machines at once, a reservation given away, an address that is
 * not ours, and a refusal of what is free.
 */
type Kind = 'offered' | 'bound' | 'declined';

class Model {
  claims: { address: number; mac: string; until: number; kind: Kind }[] = [];

  holder(address: number, now: number) {
    return this.claims.find((claim) => claim.address === address && claim.until > now);
  }

  mayHave(mac: string, address: number, now: number): boolean {
    const reserved = RULES.reservations.get(mac);
    if (reserved !== undefined) return reserved === address && this.#free(mac, address, now);
    if ([...RULES.reservations.values()].includes(address)) return false;
    return ADDRESSES.includes(address) && this.#free(mac, address, now);
  }

  #free(mac: string, address: number, now: number): boolean {
    const holder = this.holder(address, now);
    return holder === undefined || (holder.mac === mac && holder.kind !== 'declined');
  }

  /** A machine has one address: what it held elsewhere is given up. */
  claim(mac: string, address: number, until: number, kind: Kind): void {
    const declined = kind === 'declined';
    this.claims = this.claims.filter(
      (claim) =>
        claim.address !== address && (declined || claim.kind === 'declined' || claim.mac !== mac),
    );
    this.claims.push({ address, mac, until, kind });
  }
}

const mac = fc.constantFrom(...MACS);
const address = fc.constantFrom(...ADDRESSES, 13, 99);
const steps = fc.array(
  fc.oneof(
    fc.record({ type: fc.constant('offer' as const), mac, address: fc.option(address) }),
    fc.record({ type: fc.constant('lease' as const), mac, address }),
    fc.record({ type: fc.constant('release' as const), mac, address }),
    fc.record({ type: fc.constant('decline' as const), mac, address }),
    fc.record({ type: fc.constant('withdraw' as const), mac }),
    fc.record({ type: fc.constant('restart' as const) }),
    fc.record({
      type: fc.constant('wait' as const),
      ms: fc.constantFrom(1, OFFER_HOLD_MS / 2, OFFER_HOLD_MS, LEASE_MS, DECLINE_QUARANTINE_MS),
    }),
  ),
  // Without a size fast-check stays near ten steps, which finds nothing here.
  { minLength: 1, maxLength: 60, size: 'max' },
);

describe('the address pool against a naive model', () => {
  it('never promises an address twice, and refuses only with cause', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const model = new Model();
        const store = new Map<string, Lease>();
        let pool = new AddressPool(RULES, [], () => false);
        let now = 1_000;
        const save = (lease: Lease | undefined) => {
          if (lease !== undefined) store.set(lease.address, lease);
        };
        for (const step of list) {
          for (const gone of pool.takeAbandoned()) store.delete(gone);
          switch (step.type) {
            case 'wait':
              now += step.ms;
              break;
            case 'offer': {
              const held = model.claims.find(
                (c) => c.mac === step.mac && c.kind !== 'declined' && c.until > now,
              );
              const offered = pool.offer(step.mac, step.address ?? undefined, now);
              if (offered === undefined) {
                expect(ADDRESSES.filter((a) => model.mayHave(step.mac, a, now))).toEqual([]);
                break;
              }
              expect(model.mayHave(step.mac, offered, now)).toBe(true);
              if (held !== undefined) expect(offered).toBe(held.address);
              // A running lease is not shortened by an offer; a running offer is held anew.
              if (held?.kind !== 'bound') {
                model.claim(step.mac, offered, now + OFFER_HOLD_MS, 'offered');
              }
              break;
            }
            case 'lease': {
              const allowed = model.mayHave(step.mac, step.address, now);
              expect(pool.refusal(step.mac, step.address, now) === undefined).toBe(allowed);
              if (!allowed) break;
              const lease = pool.lease(step.mac, step.address, now);
              expect(parseIpv4(lease.address)).toBe(step.address);
              save(lease);
              model.claim(step.mac, step.address, now + LEASE_MS, 'bound');
              break;
            }
            case 'release': {
              const lease = pool.release(step.mac, step.address, now);
              save(lease);
              if (lease === undefined) break;
              expect(model.holder(step.address, now)?.mac).toBe(step.mac);
              model.claims = model.claims.filter((claim) => claim.address !== step.address);
              break;
            }
            case 'decline': {
              const lease = pool.decline(step.mac, step.address, now);
              save(lease);
              if (lease !== undefined) {
                model.claim(step.mac, step.address, now + DECLINE_QUARANTINE_MS, 'declined');
              }
              break;
            }
            case 'withdraw':
              pool.withdrawOffer(step.mac);
              // Only an offer is withdrawn: where the pool has no lease of it, the model forgets too.
              model.claims = model.claims.filter(
                (c) =>
                  c.mac !== step.mac ||
                  c.kind === 'declined' ||
                  pool.recordOf(c.mac, now)?.bound === true,
              );
              break;
            case 'restart': {
              pool = new AddressPool(RULES, [...store.values()], () => false);
              const bound = (c: { mac: string; address: number; kind: Kind }) =>
                c.kind === 'declined' ||
                (pool.recordOf(c.mac, now)?.bound === true &&
                  pool.recordOf(c.mac, now)?.address === c.address);
              // Leases and quarantines must have survived; offers need not.
              for (const claim of model.claims.filter((c) => c.until > now)) {
                const saved = [...store.values()].find(
                  (l) => parseIpv4(l.address) === claim.address,
                );
                if (saved?.mac === claim.mac && saved.expiresAt === claim.until) {
                  expect(bound(claim)).toBe(true);
                }
              }
              model.claims = model.claims.filter(bound);
              break;
            }
          }
        }
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  it('prefers an address never used, then the one that is free for longest', () => {
    const pool = new AddressPool({ ...RULES, reservations: new Map() }, [], () => false);
    expect(
      ['c', 'd', 'e', 'f'].map((m) => pool.lease(m, pool.offer(m, undefined, 0) ?? 0, 0).address),
    ).toEqual(['0.0.0.10', '0.0.0.11', '0.0.0.12', '0.0.0.20']);
    pool.lease('c', 10, 50);
    expect(pool.offer('x', undefined, LEASE_MS)).toBe(11);
  });

  it('gives a machine that comes back its old address', () => {
    const pool = new AddressPool({ ...RULES, reservations: new Map() }, [], () => false);
    pool.lease('c', 20, 0);
    expect(pool.offer('c', 10, LEASE_MS * 50)).toBe(20);
  });
});
