/**
 * Which volumes and snapshots workers have open, what those are made of, and the moment in which that is
 * exchanged under all of them.
 */
import { setImmediate } from 'node:timers/promises';
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
   * @returns whether every worker said in time that it goes on; else one may still read what it had
   */
  resume(
    keys: readonly string[],
    contents: ReadonlyMap<string, VolumeContent | 'refused'>,
  ): Promise<boolean>;
}

export const volumeKey = (volumeId: string): string => `volume:${volumeId}`;
export const snapshotKey = (snapshotId: string): string => `snapshot:${snapshotId}`;

interface Entry {
  content: VolumeContent;
  /** What it is made of has changed, and could not be told: the next use makes it anew. */
  isOutdated: boolean;
  /** What it was made of, where a worker has not said that it reads that no more. */
  readonly before: VolumeContent[];
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

  /** The keys of what is open and reads, or may still read, one of these layers or overlays: by its data. */
  reading(isRead: (data: VolumeLocator) => boolean): readonly string[] {
    return [...this.#entries].flatMap(([key, entry]) =>
      contentsOf(entry).some((content) => locatorsOf(content).some(isRead)) ? [key] : [],
    );
  }

  /** Whether something that is open reads the one without the other, which stands above it. */
  readsWithout(
    isBelow: (data: VolumeLocator) => boolean,
    isAbove: (data: VolumeLocator) => boolean,
  ): boolean {
    return [...this.#entries.values()].flatMap(contentsOf).some((content) => {
      const locators = locatorsOf(content);
      return locators.some(isBelow) && !locators.some(isAbove);
    });
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
      const content =
        known === undefined || known.isOutdated ? await this.#make(key, how.make) : known.content;
      const entry = known ?? {
        content,
        isOutdated: false,
        before: [],
        uses: 0,
        closed: how.closed,
      };
      entry.content = content;
      entry.isOutdated = false;
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

  /**
   * When the workers have left: what one of them could not give back any more is closed like the rest.
   * @returns what that has failed with
   */
  async end(): Promise<readonly unknown[]> {
    await this.idle();
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    const ended = await Promise.allSettled(entries.map(({ closed, content }) => closed(content)));
    return ended.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
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
    // A plan that was given out is on its way to a worker, and must be there first.
    await setImmediate();
    await this.#barrier.hold(open, options);
    const contents = new Map<string, VolumeContent | 'refused'>();
    const before = new Map(open.map((key) => [key, this.content(key)]));
    try {
      const result = await work();
      for (const key of open) await this.#renew(key, contents, after);
      return result;
    } finally {
      const isTold = await this.#barrier.resume(open, contents);
      if (!isTold) for (const [key, content] of before) this.#mayRead(key, content);
    }
  }

  async #renew(
    key: string,
    contents: Map<string, VolumeContent | 'refused'>,
    after: (key: string, before: VolumeContent) => VolumeContent | Promise<VolumeContent>,
  ): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    // What it was made of may be a part of a snapshot by now.
    contents.set(key, 'refused');
    if (entry.isOutdated) return;
    entry.isOutdated = true;
    entry.content = await after(key, entry.content);
    entry.isOutdated = false;
    contents.set(key, entry.content);
  }

  #mayRead(key: string, content: VolumeContent | undefined): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || content === undefined || content === entry.content) return;
    entry.before.push(content);
  }
}

function contentsOf({ content, before }: Entry): readonly VolumeContent[] {
  return [content, ...before];
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
