/**
 * Kernels and initrds in memory while somebody fetches them by TFTP: whatever the number of machines, one
 * copy of each, for their blocks are taken from it at any pace. HTTP streams and needs none of this.
 */
import type { BootFile } from '../boot-catalog.ts';
import { MAX_TFTP_HELD_BYTES } from '../limits.ts';
import { readWhole } from '../read-whole.ts';

export interface HeldFile {
  readonly content: Buffer;
  /** To be called once. */
  release(): void;
}

interface Entry {
  readonly bytes: number;
  readonly content: Promise<Buffer>;
  holders: number;
}

export class HeldFiles {
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  /** undefined: memory for such files is used up; whoever asks has to ask again. Rejects when it cannot be read. */
  async hold(file: BootFile): Promise<HeldFile | undefined> {
    const { path, size } = file;
    let entry = this.#entries.get(path);
    if (entry === undefined) {
      if (this.#bytes + size > MAX_TFTP_HELD_BYTES) return undefined;
      entry = { bytes: size, content: readWhole(path, size), holders: 0 };
      this.#entries.set(path, entry);
      this.#bytes += size;
    }
    entry.holders += 1;
    const held = entry;
    try {
      return { content: await held.content, release: () => this.#release(path, held) };
    } catch (error) {
      this.#release(path, held);
      throw error;
    }
  }

  #release(path: string, entry: Entry): void {
    entry.holders -= 1;
    if (entry.holders > 0) return;
    this.#entries.delete(path);
    this.#bytes -= entry.bytes;
  }
}
