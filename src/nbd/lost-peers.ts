/**
 * Notices clients whose host is gone in the middle of an answer.
 *
 * TCP keep-alive asks a silent host only when it has acknowledged all that it was sent. What has not been acknowledged
 * is sent again, for a quarter of an hour, and so long a machine that was switched off counts as connected. Node
 * cannot shorten that (tcp(7), TCP_USER_TIMEOUT); but Linux tells which sockets send again (proc(5), /proc/net/tcp).
 * Elsewhere nothing is noticed sooner.
 */
import { readFile } from 'node:fs/promises';
import { LOST_PEER_LOOK_MS } from './limits.ts';
import { type Retransmissions, retransmissionsIn } from './retransmissions.ts';
import type { Timers } from './timers.ts';

/** What is watched. */
export interface Peer {
  /** As `socketKey` has it; undefined: no TCP. */
  readonly key: string | undefined;
  /** Requests that have come from it. */
  readonly requests: number;
  /** Its host is gone. */
  lost(): void;
}

interface Seen {
  readonly requests: number;
  readonly retransmissions: number;
  /** Since when nothing but retransmissions was seen; milliseconds since the epoch. */
  readonly since: number;
}

export class LostPeers {
  readonly #peers: () => readonly Peer[];
  readonly #limitMs: number;
  readonly #timers: Timers;
  readonly #look: () => Promise<Retransmissions>;
  readonly #seen = new WeakMap<Peer, Seen>();
  #isWatching = false;

  /** @param limitMs how long nothing is acknowledged until a peer is lost */
  constructor(
    peers: () => readonly Peer[],
    limitMs: number,
    timers: Timers,
    look: () => Promise<Retransmissions> = systemTables,
  ) {
    this.#peers = peers;
    this.#limitMs = limitMs;
    this.#timers = timers;
    this.#look = look;
  }

  /** There are peers: looks from now on, until there are none. */
  watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#timers.after(Math.min(LOST_PEER_LOOK_MS, this.#limitMs), () => void this.#round());
  }

  async #round(): Promise<void> {
    const quiet = this.#peers().filter((peer) => this.#isQuiet(peer));
    try {
      if (quiet.length > 0) this.#judge(quiet, await this.#look());
    } catch {
      // Not Linux: the flag stays, and nobody looks again.
      return;
    }
    this.#isWatching = false;
    if (this.#peers().length > 0) this.watch();
  }

  /** Who asks something is there; only the others are worth reading the kernel's tables. */
  #isQuiet(peer: Peer): boolean {
    if (peer.key === undefined) return false;
    const { requests } = peer;
    if (this.#seen.get(peer)?.requests === requests) return true;
    this.#seen.set(peer, { requests, retransmissions: 0, since: this.#timers.now() });
    return false;
  }

  #judge(quiet: readonly Peer[], table: Retransmissions): void {
    const now = this.#timers.now();
    for (const peer of quiet) {
      const seen = this.#seen.get(peer);
      const retransmissions = table.get(peer.key ?? '') ?? 0;
      // Whatever is acknowledged begins the count anew.
      const isStuck =
        seen !== undefined && seen.retransmissions > 0 && retransmissions >= seen.retransmissions;
      const since = isStuck ? seen.since : now;
      this.#seen.set(peer, { requests: peer.requests, retransmissions, since });
      if (retransmissions > 0 && now - since >= this.#limitMs) peer.lost();
    }
  }
}

async function systemTables(): Promise<Retransmissions> {
  const [four, six] = await Promise.all([
    readFile('/proc/net/tcp', 'latin1'),
    // A system may be without IPv6.
    readFile('/proc/net/tcp6', 'latin1').catch(() => ''),
  ]);
  return new Map([...retransmissionsIn(four), ...retransmissionsIn(six)]);
}
