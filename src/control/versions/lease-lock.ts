/**
 * Locks that cannot go stale: who holds one has a lease, and whoever takes it gets a higher token than
 * everybody before. What was let in with a lower token is shut out before the new holder is let in
 * (DataPlane.endConnections), so that two never write at once, whatever a clock says.
 */
import type { Catalog } from '../catalog/catalog.ts';
import { WRITER_LOST_MS } from '../limits.ts';

export interface LockTaken {
  readonly kind: 'taken';
  readonly token: number;
  /** Who held it until now, if anybody: to be shut out. */
  readonly before: string | undefined;
}

export interface LockHeld {
  readonly kind: 'held';
  readonly holder: string;
  /** Milliseconds since the epoch; Infinity while its holder is seen to live. */
  readonly until: number;
}

/** The lock of the overlay of a version in maintenance. */
export const writeLock = (versionId: string): string => `version/${versionId}`;

/** Whether a holder is seen to live: it is connected, and answers TCP keep-alive. */
export type Liveness = (holder: string) => boolean;

/**
 * Inside a transaction. A holder that takes it again gets a new token too: it has started anew, and what
 * is left of its life before is shut out like a stranger.
 */
export function takeLock(
  catalog: Catalog,
  name: string,
  wanted: { readonly holder: string; readonly now: number; readonly leaseMs: number },
  liveness: Liveness,
): LockTaken | LockHeld {
  const lock = catalog.locks.byName(name);
  const { holder, now, leaseMs } = wanted;
  if (lock?.holder !== undefined && lock.holder !== holder) {
    const until = liveness(lock.holder) ? Number.POSITIVE_INFINITY : lock.expiresAt;
    if (until > now) return { kind: 'held', holder: lock.holder, until };
  }
  const token = (lock?.token ?? 0) + 1;
  catalog.locks.save({ name, token, holder, expiresAt: now + leaseMs });
  return { kind: 'taken', token, before: lock?.holder };
}

/** Its holder is done; the token stays. */
export function releaseLock(catalog: Catalog, name: string): void {
  const lock = catalog.locks.byName(name);
  if (lock?.holder !== undefined) catalog.locks.save({ ...lock, holder: undefined, expiresAt: 0 });
}

/**
 * Once a second or so: those that live keep what they hold. The connection of a machine that lost its power
 * ends WRITER_LOST_MS later than the machine did: its lease is counted from then, so that it never blocks
 * the next one for longer than the lease. Written no more often than it must be.
 */
export function renewLocks(
  catalog: Catalog,
  now: number,
  leaseMs: number,
  liveness: Liveness,
): void {
  const left = leaseMs - WRITER_LOST_MS;
  const due = catalog.locks
    .held()
    .filter(({ holder, expiresAt }) => expiresAt - now < left / 2 && liveness(holder ?? ''));
  if (due.length === 0) return;
  catalog.transaction(() => {
    for (const lock of due) catalog.locks.save({ ...lock, expiresAt: now + left });
  });
}
