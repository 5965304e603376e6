/**
 * Writes of one block each that carry their number, in an order that everybody can work out: what a volume holds tells
 * exactly how far the writer was. Round after round, each in the same permutation of the volume.
 */
import { connectNbd, type NbdClient } from '../../../src/nbd/index.ts';

const BLOCK = 4096;
/** Neighbours in time are far apart on the disk; odd, so that it has no factor in common with a power of two. */
const STEP = 1_237;

function blockOf(number: number, blocks: number): number {
  return ((number % blocks) * STEP) % blocks;
}

function contentOf(number: number): Buffer {
  const block = Buffer.alloc(BLOCK, number & 0xff);
  block.writeUInt32BE(number + 1);
  return block;
}

export class NumberedWriter {
  /** Writes 0 … acknowledged − 1 have been answered. */
  acknowledged = 0;
  /** Set when a write failed. */
  failure: unknown;
  readonly #blocks: number;
  #client: NbdClient | undefined;
  #stop = false;
  #running: Promise<void> = Promise.resolve();

  /** @param size bytes of the volume: a power of two */
  constructor(size: number) {
    this.#blocks = size / BLOCK;
  }

  /** Goes on with the number after the last one that was answered. One write at a time: each waits for the one before. */
  async start(uri: string): Promise<void> {
    this.#stop = false;
    this.failure = undefined;
    this.#client = await connectNbd(uri);
    this.#running = this.#write(this.#client).catch((error: unknown) => {
      this.failure = error;
    });
  }

  async #write(client: NbdClient): Promise<void> {
    while (!this.#stop) {
      const number = this.acknowledged;
      await client.write(contentOf(number), blockOf(number, this.#blocks) * BLOCK);
      this.acknowledged = number + 1;
    }
  }

  get failed(): boolean {
    return this.failure !== undefined;
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await this.#running;
    await this.#client?.disconnect().catch(() => undefined);
    this.#client = undefined;
  }

  /** How many writes `content` holds. @throws when it holds one without all before it, or half a one */
  static count(content: Buffer): number {
    const blocks = content.length / BLOCK;
    const held = Array.from({ length: blocks }, (_, at) => {
      const block = content.subarray(at * BLOCK, (at + 1) * BLOCK);
      const number = block.readUInt32BE() - 1;
      const whole = number < 0 ? Buffer.alloc(BLOCK) : contentOf(number);
      if (!block.equals(whole)) throw new Error(`write ${number} of block ${at} is torn`);
      return number;
    });
    const count = 1 + held.reduce((most, number) => Math.max(most, number), -1);
    for (let number = Math.max(0, count - blocks); number < count; number++) {
      const there = held[blockOf(number, blocks)];
      if (there !== number)
        throw new Error(`write ${count - 1} is there, but not write ${number}: ${there}`);
    }
    return count;
  }
}

/** All that an export holds. */
export async function contentAt(uri: string): Promise<Buffer> {
  const client = await connectNbd(uri);
  try {
    const content = Buffer.alloc(client.negotiated.size);
    const piece = 2 ** 20;
    for (let at = 0; at < content.length; at += piece) {
      await client.read(content.subarray(at, Math.min(content.length, at + piece)), at);
    }
    return content;
  } finally {
    await client.disconnect();
  }
}
