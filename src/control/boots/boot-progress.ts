/**
 * Whether a boot is over, from the outside. Few images report that they are up, so the block
 * requests tell: a machine that boots reads all the time, and then hardly at all.
 */
import type { BootEnd, BootRecord } from '../catalog/records.ts';
import { BOOT_ABANDONED_MS, BOOT_QUIET_MS } from '../limits.ts';
import type { MachineLive } from '../ports.ts';

export type BootChange =
  | { readonly kind: 'first-block'; readonly at: number }
  | {
      readonly kind: 'ended';
      readonly how: BootEnd;
      readonly at: number;
      /**
       * undefined: it came to nothing, so there is no duration to tell; or it may have been over while the service was
       * down, and what was asked for since, if anything, is not of the boot.
       */
      readonly durationMs: number | undefined;
    };

/**
 * Pure: what has newly happened to a boot under way, or undefined.
 * @param watchedSince when the service started: before that nobody could ask it for anything
 */
export function bootProgress(
  boot: BootRecord,
  live: MachineLive,
  now: number,
  watchedSince: number,
): BootChange | undefined {
  const firstBlock = boot.stages['first-block'];
  if (firstBlock === undefined) return beforeFirstBlock(boot, live, now);
  // After a restart of the service the live figures start anew, and the machine has yet to come back.
  const lastRequest = Math.max(live.lastRequestAt ?? firstBlock, firstBlock, watchedSince);
  if (now - lastRequest < BOOT_QUIET_MS) return undefined;
  const connected = live.connections.length > 0;
  const isWatched = boot.startedAt >= watchedSince;
  return {
    kind: 'ended',
    how: connected ? 'quiet' : 'disconnected',
    at: lastRequest,
    durationMs: connected && isWatched ? lastRequest - boot.startedAt : undefined,
  };
}

function beforeFirstBlock(
  boot: BootRecord,
  live: MachineLive,
  now: number,
): BootChange | undefined {
  // Connections and requests of the boot before do not count: its connection may linger.
  const own = live.connections
    .map((connection) => connection.connectedAt)
    .filter((connectedAt) => connectedAt >= boot.startedAt);
  const last = live.lastRequestAt;
  if (own.length > 0 && last !== undefined && last >= Math.min(...own)) {
    // The request that follows a connection follows at once; `last` may be many requests later.
    return { kind: 'first-block', at: Math.min(...own) };
  }
  if (now - boot.startedAt < BOOT_ABANDONED_MS) return undefined;
  return { kind: 'ended', how: 'abandoned', at: now, durationMs: undefined };
}
