/**
 * Buffers for payloads that are too large to be copied twice and too frequent to be allocated each
 * time (a fresh 128 KiB costs 32 page faults, more than the read itself). Sizes are powers of two.
 */
const SMALLEST_CLASS = 12; // 4 KiB
const LARGEST_CLASS = 20; // 1 MiB; what is larger is rare and goes back to the system

export class BufferPool {
  readonly #free: Buffer[][] = [];
  readonly #limit: number;
  #kept = 0;

  /** @param limit bytes of free buffers to keep */
  constructor(limit: number) {
    this.#limit = limit;
    for (let index = 0; index <= LARGEST_CLASS; index += 1) this.#free.push([]);
  }

  /** At least `length` bytes, content undefined; the caller takes a view of the length it needs. */
  take(length: number): Buffer {
    const index = sizeClass(length);
    const free = this.#free[index]?.pop();
    if (free !== undefined) {
      this.#kept -= free.length;
      return free;
    }
    return Buffer.allocUnsafeSlow(index > LARGEST_CLASS ? length : 2 ** index);
  }

  /** Gives back what `take` returned; nobody may use it any more. */
  give(buffer: Buffer): void {
    const index = sizeClass(buffer.length);
    if (index > LARGEST_CLASS || this.#kept + buffer.length > this.#limit) return;
    this.#kept += buffer.length;
    this.#free[index]?.push(buffer);
  }
}

function sizeClass(length: number): number {
  return Math.max(SMALLEST_CLASS, 32 - Math.clz32(Math.max(1, length) - 1));
}
