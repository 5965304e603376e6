/**
 * Which volumes and snapshots workers have open, what those are made of, and the moment in which that is
 * exchanged under all of them.
 */
import { KeyedMutex } from '../base/index.ts';
import { Fault } from '../errors/index.ts';
import type { VolumeLocator } from '../repositories/index.ts';
import type { NodeChain } from './node-chains.ts';
import type { OverlayParts } from './overlay-volumes.ts';

/** As src/exports has it. */
export type VolumeContent =
  | { readonly kind: 'plain'; readonly locator: VolumeLocator }
  | {
      readonly kind: 'layers';
      readonly chain: NodeChain;
      /** Sealed above the chain, the lowest first: its index does not have them yet. */
      readonly sealed: readonly OverlayParts[];
      readonly overlay: OverlayParts | undefined;
    };

/** The workers, as far as they hold requests. */
export interface Barrier {
  /**
   * Settles when no request of these runs in any worker.
   * @param options.flush what they wrote is on stable storage too
   * @throws Fault UNAVAILABLE when a worker does not answer in time or fails to flush; nothing is held then
   */
  hold(keys: readonly string[], options: { readonly flush: boolean }): Promise<void>;
  /**
   * They go on. One without content goes on with what it had; `refused`: it must not, and its requests fail.
   * Never throws: a worker that cannot open what is new fails the requests and tells it to the log.
   */
  resume(
    keys: readonly string[],
    contents: ReadonlyMap<string, VolumeContent | 'refused'>,
  ): Promise<void>;
}

export const volumeKey = (volumeId: string): string => `volume:${volumeId}`;
export const snapshotKey = (snapshotId: string): string => `snapshot:${snapshotId}`;

interface Entry {
  content: VolumeContent;
  uses: number;
  readonly closed: (content: VolumeContent) => Promise<void>;
}

export class OpenVolumes {
  readonly #barrier: Barrier;
  readonly #mutex = new KeyedMutex();
  readonly #entries = new Map<string, Entry>();
  readonly #opening = new Set<string>();
  readonly #releases = new Set<Promise<void>>();

  constructor(barrier: Barrier) {
    this.#barrier = barrier;
  }

  /** One after the other for each key; several keys at once do not lock each other out. */
  lock<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const sorted = [...new Set(keys)].sort();
    const enter = (at: number): Promise<T> => {
      const key = sorted[at];
      return key === undefined ? work() : this.#mutex.run(key, () => enter(at + 1));
    };
    return enter(0);
  }

  isOpen(key: string): boolean {
    return this.#entries.has(key);
  }

  content(key: string): VolumeContent | undefined {
    return this.#entries.get(key)?.content;
  }

  /** What is being opened now: nobody knows yet what of. */
  get opening(): readonly string[] {
    return [...this.#opening];
  }

  /** The keys of what is open and reads one of these layers or overlays, by the locator of its data. */
  reading(isRead: (data: VolumeLocator) => boolean): readonly string[] {
    return [...this.#entries].flatMap(([key, { content }]) =>
      locatorsOf(content).some(isRead) ? [key] : [],
    );
  }

  /**
   * Counts one more use, until `release`.
   * @param how.make what it is made of, when nobody has it open
   * @param how.closed when the last use has ended
   */
  use(
    key: string,
    how: {
      readonly make: () => Promise<VolumeContent>;
      readonly closed: (content: VolumeContent) => Promise<void>;
    },
  ): Promise<VolumeContent> {
    return this.lock([key], async () => {
      const known = this.#entries.get(key);
      const entry = known ?? { content: await this.#make(key, how.make), uses: 0, ...how };
      this.#entries.set(key, entry);
      entry.uses += 1;
      return entry.content;
    });
  }

  async #make(key: string, make: () => Promise<VolumeContent>): Promise<VolumeContent> {
    this.#opening.add(key);
    try {
      return await make();
    } finally {
      this.#opening.delete(key);
    }
  }

  /** @throws what `closed` throws */
  release(key: string): Promise<void> {
    const released = this.lock([key], async () => {
      const entry = this.#entries.get(key);
      if (entry === undefined) return;
      entry.uses -= 1;
      if (entry.uses > 0) return;
      this.#entries.delete(key);
      await entry.closed(entry.content);
    });
    const settled = released.catch(() => undefined);
    this.#releases.add(settled);
    void settled.then(() => this.#releases.delete(settled));
    return released;
  }

  /** Settles when every release that has begun has ended. */
  async idle(): Promise<void> {
    while (this.#releases.size > 0) await Promise.all(this.#releases);
  }

  /** @throws Fault IN_USE */
  refuseOpen(key: string, what: string): void {
    if (!this.isOpen(key)) return;
    throw new Fault('IN_USE', `${what} is open; end its connections first`, {
      field: 'connections',
      expected: 'nobody who has it open',
    });
  }

  /**
   * Holds what is open of these, works, and lets it go on as it is then. The caller has locked the keys.
   * When the work fails everything goes on as it was.
   * @param after what it is made of when the work is done; undefined: what it was made of
   */
  async exchange<T>(
    keys: readonly string[],
    options: { readonly flush: boolean },
    work: () => Promise<T>,
    after: (key: string, before: VolumeContent) => VolumeContent | Promise<VolumeContent>,
  ): Promise<T> {
    const open = keys.filter((key) => this.#entries.has(key));
    if (open.length === 0) return work();
    await this.#barrier.hold(open, options);
    const contents = new Map<string, VolumeContent | 'refused'>();
    try {
      const result = await work();
      for (const key of open) {
        const entry = this.#entries.get(key);
        if (entry === undefined) continue;
        // What it was made of may be a part of a snapshot by now.
        contents.set(key, 'refused');
        entry.content = await after(key, entry.content);
        contents.set(key, entry.content);
      }
      return result;
    } finally {
      await this.#barrier.resume(open, contents);
    }
  }
}

function locatorsOf(content: VolumeContent): readonly VolumeLocator[] {
  if (content.kind === 'plain') return [content.locator];
  const { chain, sealed, overlay } = content;
  return [
    ...chain.layers.map(({ volume }) => volume),
    ...sealed.map(({ data }) => data),
    ...(overlay === undefined ? [] : [overlay.data]),
  ];
}
