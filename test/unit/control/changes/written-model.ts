/** What was written to a disk between any two moments, as sets of blocks, and what it held: naive. */
export interface Moment {
  readonly parent: Moment | undefined;
  readonly size: number;
  readonly content: Buffer;
  /** Blocks that were written since its parent. */
  readonly written: ReadonlySet<number>;
  /** Those, and blocks of a write that was cut off: it may have been made, or not. */
  readonly perhaps: ReadonlySet<number>;
}

export class WrittenModel {
  /** Snapshots by id, also those that are gone. */
  readonly moments = new Map<string, Moment>();
  #parent: Moment | undefined;
  #content: Buffer;
  #written = new Set<number>();
  #perhaps = new Set<number>();

  constructor(size: number) {
    this.#content = Buffer.alloc(size);
  }

  get size(): number {
    return this.#content.length;
  }

  /** The disk as it is, what comes later not in it. */
  now(): Moment {
    return {
      ...{ parent: this.#parent, size: this.size, content: this.#content },
      written: new Set(this.#written),
      perhaps: new Set(this.#perhaps),
    };
  }

  /** A write begins. */
  begin(blocks: readonly number[]): void {
    for (const block of blocks) this.#perhaps.add(block);
  }

  /** It was made. */
  wrote(blocks: readonly number[], offset: number, length: number, fill: number): void {
    const after = Buffer.from(this.#content);
    after.fill(fill, offset, offset + length);
    this.#content = after;
    for (const block of blocks) this.#written.add(block);
  }

  /** What is read after something was cut off. */
  found(content: Buffer): void {
    this.#content = content;
  }

  grew(by: number): void {
    this.#content = Buffer.concat([this.#content, Buffer.alloc(by)]);
  }

  /** There is a snapshot of that moment, and nothing was written since. Again: fine. */
  taken(id: string, moment: Moment): void {
    if (this.moments.has(id)) return;
    this.moments.set(id, moment);
    this.#begin(moment, this.#content);
  }

  revertedTo(moment: Moment): void {
    this.#begin(moment, moment.content);
  }

  /** A revert was cut off, and the disk stands on that moment: what was written since may be gone. */
  mayBeRevertedTo(moment: Moment): void {
    if (this.#parent !== moment) {
      this.revertedTo(moment);
      return;
    }
    for (const block of this.#written) this.#perhaps.add(block);
    this.#written = new Set();
  }

  #begin(parent: Moment, content: Buffer): void {
    this.#parent = parent;
    this.#content = content;
    this.#written = new Set();
    this.#perhaps = new Set();
  }
}

/** What was written on the way from one moment to a later one; undefined: it is no earlier one. */
export function writtenBetween(
  from: Moment,
  to: Moment,
): { readonly must: ReadonlySet<number>; readonly may: ReadonlySet<number> } | undefined {
  const [must, may] = [new Set<number>(), new Set<number>()];
  if (from === to) return undefined;
  for (let at: Moment | undefined = to; at !== undefined; at = at.parent) {
    if (at === from) return { must, may };
    for (const block of at.written) must.add(block);
    for (const block of at.perhaps) may.add(block);
  }
  return undefined;
}
