/**
 * A machine that writes all the time, and knows what every block of its disk may hold: what was acknowledged,
 * or what was on its way when the service died.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectNbd, type NbdClient } from '../../../src/nbd/client/index.ts';
import { patternBlock } from '../../support/pattern-image.ts';
import { contentOf, type Tags, UNIT_BYTES } from './tagged-disk.ts';

const BLOCK_BYTES = 4096;
const LANES = 3;
/** Blocks that it works on, spread over the disk. */
const BLOCKS = 600;
const PAUSE_MS = 1;

interface Known {
  acknowledged: Buffer;
  inFlight: Buffer | undefined;
}

export class RunningMachine {
  readonly #random: () => number;
  readonly #blocks = new Map<number, Known>();
  #base: Tags;
  #client: NbdClient | undefined;
  #load: Promise<void> = Promise.resolve();
  #tag = 1_000_000;
  writes = 0;

  /** @param base the disk that it stands on */
  constructor(base: Tags, random: () => number) {
    this.#base = base;
    this.#random = random;
  }

  /** Its overlay is a new one, on this disk. */
  reset(base: Tags): void {
    this.#base = base;
    this.#blocks.clear();
  }

  async start(uri: string): Promise<void> {
    const client = await connectNbd(uri);
    this.#client = client;
    this.#load = Promise.all(Array.from({ length: LANES }, () => this.#lane(client))).then(
      () => undefined,
    );
  }

  async stop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await this.#load;
    await client?.disconnect();
  }

  /** The service was killed. */
  async died(): Promise<void> {
    this.#client = undefined;
    await this.#load;
  }

  /**
   * While it writes, a block that was read before a write may be looked at after it: stopped or dead only.
   * @throws Error for a block that has lost what was acknowledged
   */
  async verify(uri: string): Promise<void> {
    if (this.#client !== undefined) throw new Error('a machine that writes cannot be verified');
    const client = await connectNbd(uri);
    const got = Buffer.alloc(BLOCK_BYTES);
    for (const [number, known] of this.#blocks) {
      await client.read(got, number * BLOCK_BYTES);
      const isOld = got.equals(known.acknowledged);
      const isNew = known.inFlight !== undefined && got.equals(known.inFlight);
      if (!isOld && !isNew) throw new Error(`block ${number} has lost an acknowledged write`);
      known.acknowledged = Buffer.from(got);
      known.inFlight = undefined;
    }
    await client.disconnect();
  }

  async #lane(client: NbdClient): Promise<void> {
    while (this.#client === client) {
      const blocks = (this.#base.length * UNIT_BYTES) / BLOCK_BYTES;
      const number = Math.floor(this.#random() * BLOCKS) * Math.floor(blocks / BLOCKS);
      const known = this.#blocks.get(number) ?? {
        acknowledged: this.#before(number),
        inFlight: undefined,
      };
      if (known.inFlight !== undefined) continue;
      this.#blocks.set(number, known);
      const content = patternBlock(number, this.#tag++);
      known.inFlight = content;
      try {
        await client.write(content, number * BLOCK_BYTES, { fua: this.#random() < 0.05 });
        if (this.#random() < 0.05) await client.flush();
      } catch {
        return;
      }
      known.acknowledged = content;
      known.inFlight = undefined;
      this.writes++;
      await sleep(PAUSE_MS);
    }
  }

  #before(number: number): Buffer {
    const at = number * BLOCK_BYTES;
    const unit = Math.floor(at / UNIT_BYTES);
    return contentOf(this.#base, unit, 1).subarray(
      at % UNIT_BYTES,
      (at % UNIT_BYTES) + BLOCK_BYTES,
    );
  }
}
