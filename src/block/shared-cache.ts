/**
 * Blocks that several workers share: what one has read from a slow repository no other reads again. It
 * stands below the read caches of the workers, and only their misses look into it (docs/adr/0022).
 *
 * One SharedArrayBuffer: words, then blocks. A set of WAYS slots holds the blocks whose (content, block)
 * fall on it; within a set the one that was used longest ago makes room. A slot's words:
 *
 *     state    EMPTY · FILLING (somebody reads it; others wait on the word) · 1 + readers that copy it now
 *     content  number of the content (given by the control thread, the same in every worker), never 0
 *     block    number of the block in that content
 *     used     when, by a clock that counts uses
 *     ahead    1: read ahead and not wanted by anybody yet
 *
 * They change under the lock of the set, which nobody holds while anything waits; a block's bytes are
 * written by whoever fills it and copied by readers that are counted, so a block never changes under a copy.
 *
 * A thread that dies while it fills a block leaves it: whoever waits gives up after a while and reads for
 * itself, and losing a worker ends the service.
 */

const WAYS = 8;
const SLOT_WORDS = 5;
const WORD = { state: 0, content: 1, block: 2, used: 3, ahead: 4 } as const;
const HEADER_WORDS = 16;
const HEADER = { blockBytes: 0, sets: 1, clock: 2 } as const;

const EMPTY = 0;
const FILLING = -1;
const READY = 1;

/** Turns of a thread that waits for a set's lock before it sleeps. */
const SPINS = 200;
const LOCK_SLEEP_MS = 1;

export interface SharedCacheGauges {
  /** Bytes given out of it to misses of a worker's own cache. */
  readonly hitBytes: number;
  /** … of which were read ahead. */
  readonly aheadHitBytes: number;
  /** Read ahead, and made room for something else before anybody wanted it. */
  readonly aheadWastedBytes: number;
}

/** What is to be done for a block. */
export type Taken =
  /** It is there: copy it with `copy`, which also ends the use. */
  | { readonly kind: 'ready'; readonly slot: number }
  /** Somebody reads it: `wait`, then ask again. */
  | { readonly kind: 'filling'; readonly slot: number }
  /** It is the caller's to read: `fill` or `abandon` it. */
  | { readonly kind: 'mine'; readonly slot: number }
  /** There is no room for it now. */
  | { readonly kind: 'full' };

const FULL: Taken = Object.freeze({ kind: 'full' });

export class SharedCache {
  readonly blockBytes: number;
  readonly #memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #sets: number;
  readonly #dataAt: number;
  #hitBytes = 0;
  #aheadHitBytes = 0;
  #aheadWastedBytes = 0;

  /**
   * @param bytes of blocks at most; fewer than one set hold nothing
   * @returns undefined when not even one set has room
   */
  static allocate(bytes: number, blockBytes: number): SharedArrayBuffer | undefined {
    const sets = Math.floor(bytes / (WAYS * blockBytes));
    if (sets === 0) return undefined;
    const slots = sets * WAYS;
    const memory = new SharedArrayBuffer(dataStart(sets) + slots * blockBytes);
    const words = new Int32Array(memory, 0, HEADER_WORDS);
    words[HEADER.blockBytes] = blockBytes;
    words[HEADER.sets] = sets;
    return memory;
  }

  /** A worker's view; the counts are its own. */
  constructor(memory: SharedArrayBuffer) {
    const header = new Int32Array(memory, 0, HEADER_WORDS);
    this.blockBytes = header[HEADER.blockBytes] ?? 0;
    this.#sets = header[HEADER.sets] ?? 0;
    this.#memory = memory;
    this.#words = new Int32Array(memory, 0, wordCount(this.#sets));
    this.#dataAt = dataStart(this.#sets);
  }

  /** @param ahead it is read before anybody wants it: what is there already does not count as used */
  take(content: number, block: number, ahead = false): Taken {
    const set = this.#setOf(content, block);
    this.#lock(set);
    try {
      let victim = -1;
      let oldest = Number.POSITIVE_INFINITY;
      for (let way = 0; way < WAYS; way++) {
        const slot = set * WAYS + way;
        const state = this.#get(slot, WORD.state);
        if (state !== EMPTY && this.#holds(slot, content, block)) {
          return this.#found(slot, state, ahead);
        }
        const age = state === EMPTY ? -1 : this.#age(slot);
        if ((state === EMPTY || state === READY) && age < oldest) [victim, oldest] = [slot, age];
      }
      if (victim < 0) return FULL;
      this.#claim(victim, content, block, ahead);
      return { kind: 'mine', slot: victim };
    } finally {
      this.#unlock(set);
    }
  }

  /** Whether it is there, or on its way. Says nothing of what is so a moment later. */
  has(content: number, block: number): boolean {
    const first = this.#setOf(content, block) * WAYS;
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#get(slot, WORD.state) !== EMPTY && this.#holds(slot, content, block)) return true;
    }
    return false;
  }

  /** The first bytes of a block that is `ready`; ends its use. */
  copy(slot: number, target: Buffer): void {
    target.set(new Uint8Array(this.#memory, this.#at(slot), target.length));
    this.#hitBytes += target.length;
    this.leave(slot);
  }

  /** Ends the use of one that is `ready`. */
  leave(slot: number): void {
    const set = Math.floor(slot / WAYS);
    this.#lock(set);
    Atomics.sub(this.#words, this.#index(slot, WORD.state), 1);
    this.#unlock(set);
  }

  /** A block that is `mine` is there from now on; one that is shorter ends the content. */
  fill(slot: number, bytes: Uint8Array): void {
    new Uint8Array(this.#memory, this.#at(slot), bytes.length).set(bytes);
    this.#settle(slot, READY);
  }

  /** It could not be read, or is not worth keeping. */
  abandon(slot: number): void {
    this.#settle(slot, EMPTY);
  }

  /** Until whoever reads it has ended, or for `timeoutMs`; then ask again. @returns false: it took longer */
  async wait(slot: number, timeoutMs: number): Promise<boolean> {
    const index = this.#index(slot, WORD.state);
    const sleep = Atomics.waitAsync(this.#words, index, FILLING, timeoutMs);
    return sleep.async ? (await sleep.value) !== 'timed-out' : true;
  }

  gauges(): SharedCacheGauges {
    return {
      hitBytes: this.#hitBytes,
      aheadHitBytes: this.#aheadHitBytes,
      aheadWastedBytes: this.#aheadWastedBytes,
    };
  }

  #found(slot: number, state: number, ahead: boolean): Taken {
    if (!ahead) {
      this.#set(slot, WORD.used, this.#now());
      if (this.#get(slot, WORD.ahead) === 1) {
        this.#set(slot, WORD.ahead, 0);
        this.#aheadHitBytes += this.blockBytes;
      }
    }
    if (state === FILLING) return { kind: 'filling', slot };
    this.#set(slot, WORD.state, state + 1);
    return { kind: 'ready', slot };
  }

  #claim(slot: number, content: number, block: number, ahead: boolean): void {
    const isWaste = this.#get(slot, WORD.state) === READY && this.#get(slot, WORD.ahead) === 1;
    if (isWaste) this.#aheadWastedBytes += this.blockBytes;
    this.#set(slot, WORD.state, FILLING);
    this.#set(slot, WORD.content, content);
    this.#set(slot, WORD.block, block);
    this.#set(slot, WORD.used, this.#now());
    this.#set(slot, WORD.ahead, ahead ? 1 : 0);
  }

  #settle(slot: number, state: number): void {
    const set = Math.floor(slot / WAYS);
    this.#lock(set);
    this.#set(slot, WORD.state, state);
    this.#unlock(set);
    Atomics.notify(this.#words, this.#index(slot, WORD.state));
  }

  #holds(slot: number, content: number, block: number): boolean {
    return this.#get(slot, WORD.content) === content && this.#get(slot, WORD.block) === block;
  }

  /** Uses since it was used; the clock may have gone round. */
  #age(slot: number): number {
    const clock = Atomics.load(this.#words, HEADER.clock);
    return -((clock - this.#get(slot, WORD.used)) >>> 0) + 2 ** 32;
  }

  #now(): number {
    return Atomics.add(this.#words, HEADER.clock, 1);
  }

  #setOf(content: number, block: number): number {
    // Neighbours fall on neighbouring sets; contents begin at different ones (Knuth's multiplier).
    return (block + (Math.imul(content, 0x9e3779b1) >>> 0)) % this.#sets;
  }

  #index(slot: number, word: number): number {
    return HEADER_WORDS + this.#sets + slot * SLOT_WORDS + word;
  }

  #get(slot: number, word: number): number {
    return Atomics.load(this.#words, this.#index(slot, word));
  }

  #set(slot: number, word: number, value: number): void {
    Atomics.store(this.#words, this.#index(slot, word), value);
  }

  #at(slot: number): number {
    return this.#dataAt + slot * this.blockBytes;
  }

  /** Held for some hundred nanoseconds, never while anything waits. */
  #lock(set: number): void {
    const index = HEADER_WORDS + set;
    for (let turn = 0; Atomics.compareExchange(this.#words, index, 0, 1) !== 0; turn++) {
      // Whoever holds it was taken off its core.
      if (turn >= SPINS) Atomics.wait(this.#words, index, 1, LOCK_SLEEP_MS);
    }
  }

  #unlock(set: number): void {
    Atomics.store(this.#words, HEADER_WORDS + set, 0);
    // Not notified: the sleep is a millisecond, and hardly anybody ever sleeps.
  }
}

function wordCount(sets: number): number {
  return HEADER_WORDS + sets + sets * WAYS * SLOT_WORDS;
}

/** Blocks begin on a page. */
function dataStart(sets: number): number {
  return Math.ceil((wordCount(sets) * 4) / 4096) * 4096;
}
