/** Where the next request goes. */

/** The part of a disk that is asked for, in blocks of the workload's size. */
export interface Area {
  readonly offset: number;
  readonly blocks: number;
  readonly blockBytes: number;
}

export interface Places {
  /** Offset in bytes, or -1 when there is none left. @param slot which of the requests in flight */
  next(slot: number): number;
}

/** Marsaglia's xorshift32: good enough to scatter requests, and free. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  }

  /** 0 … below - 1. */
  below(limit: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return Math.floor(((state >>> 0) / 2 ** 32) * limit);
  }
}

export function randomPlaces(area: Area, random: Random): Places {
  return { next: () => area.offset + random.below(area.blocks) * area.blockBytes };
}

/**
 * Each of the requests in flight has blocks of its own, so that no two of them meet: what a read sees
 * that overtakes a write of the same block is open, and could not be checked.
 */
export function stripedPlaces(area: Area, random: Random, slots: number): Places {
  return {
    next(slot) {
      const own = Math.floor((area.blocks - slot - 1) / slots) + 1;
      const block = random.below(Math.max(1, own)) * slots + (slot % area.blocks);
      return area.offset + block * area.blockBytes;
    },
  };
}

/** Every block once, in random order. */
export function everyPlaceOnce(area: Area, random: Random): Places {
  const order = Uint32Array.from({ length: area.blocks }, (_, block) => block);
  for (let left = order.length; left > 1; left -= 1) {
    const other = random.below(left);
    const kept = order[left - 1] ?? 0;
    order[left - 1] = order[other] ?? 0;
    order[other] = kept;
  }
  let at = 0;
  return {
    next() {
      const block = order[at];
      at += 1;
      return block === undefined ? -1 : area.offset + block * area.blockBytes;
    },
  };
}

/** One after the other; from the beginning again where `again`. */
export function sequentialPlaces(area: Area, again: boolean): Places {
  let block = 0;
  return {
    next() {
      if (block === area.blocks) {
        if (!again) return -1;
        block = 0;
      }
      block += 1;
      return area.offset + (block - 1) * area.blockBytes;
    },
  };
}
