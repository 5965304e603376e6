import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Catalog, openCatalog } from '../../../../src/control/catalog/catalog.ts';
import { releaseLock, renewLocks, takeLock } from '../../../../src/control/versions/lease-lock.ts';

const LEASE_MS = 60_000;
const nobody = (): boolean => false;

let catalog: Catalog;
beforeEach(() => {
  catalog = openCatalog(':memory:');
});
afterEach(() => catalog.close());

const take = (holder: string, now: number, alive: (holder: string) => boolean = nobody) =>
  catalog.transaction(() => takeLock(catalog, 'l', { holder, now, leaseMs: LEASE_MS }, alive));

test('a lock is held for its lease, and then it is the next one’s, with a higher token', () => {
  expect(take('a', 0)).toEqual({ kind: 'taken', token: 1, before: undefined });
  expect(take('b', 59_999)).toEqual({ kind: 'held', holder: 'a', until: 60_000 });
  expect(take('b', 60_000)).toEqual({ kind: 'taken', token: 2, before: 'a' });
});

test('who lives keeps it', () => {
  take('a', 0);
  const alive = (holder: string): boolean => holder === 'a';
  expect(take('b', 1_000_000, alive)).toMatchObject({
    kind: 'held',
    holder: 'a',
    until: Number.POSITIVE_INFINITY,
  });
});

test('who takes it again starts anew: what is left of the life before is shut out', () => {
  take('a', 0);
  expect(take('a', 10)).toEqual({ kind: 'taken', token: 2, before: 'a' });
});

test('what is released is free at once, and its token is never given again', () => {
  take('a', 0);
  releaseLock(catalog, 'l');
  expect(take('b', 1)).toEqual({ kind: 'taken', token: 2, before: undefined });
  releaseLock(catalog, 'never taken');
  expect(catalog.locks.byName('never taken')).toBeUndefined();
});

test('a lease is renewed while its holder lives, and never blocks longer than a lease after it died', () => {
  take('a', 0);
  const alive = (): boolean => true;
  let writes = 0;
  let before = catalog.locks.byName('l')?.expiresAt;
  for (let now = 0; now <= 300_000; now += 1_000) {
    renewLocks(catalog, now, LEASE_MS, alive);
    const { expiresAt = 0 } = catalog.locks.byName('l') ?? {};
    if (expiresAt !== before) writes++;
    before = expiresAt;
    // Its connection ends up to 30 s after it: with what is left then, that is a lease at most.
    expect(expiresAt - now).toBeLessThanOrEqual(now < 1_000 ? LEASE_MS : LEASE_MS - 1_000);
    expect(expiresAt - now).toBeGreaterThanOrEqual(15_000);
  }
  expect(writes).toBeLessThan(25);
  renewLocks(catalog, 400_000, LEASE_MS, nobody);
  expect(catalog.locks.byName('l')?.expiresAt).toBe(before);
  expect(take('b', 400_000)).toMatchObject({ kind: 'taken' });
});
