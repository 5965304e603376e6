/**
 * Writes the journal and the checkpoints.
 *
 * A commit appends whole blocks, to both copies. When the journal is full, the next generation begins in the other
 * journal at once, and a checkpoint of the state at that moment is written beside it; until it is complete, the
 * checkpoint before it and the two journals together say the same. The next generation but one waits for it.
 *
 * After a failed write nobody knows what the device holds at that place. The journal is `broken` then: nothing is
 * appended until `restart` has written two new checkpoints, with which the doubtful blocks no longer count.
 */
import type { BlockDevice } from '../../block/index.ts';
import { encodeCheckpoint } from './checkpoint.ts';
import { encodeJournalBlock, type JournalPosition, splitIntoBlocks } from './journal-block.ts';
import { checkpointPlace, journalPlace, type Region } from './layout.ts';
import { METADATA_BLOCK_BYTES } from './limits.ts';
import { writeRange } from './metadata-io.ts';
import type { MetadataState } from './metadata-state.ts';
import type { MetadataRecord } from './records.ts';

export interface JournalOptions {
  readonly device: BlockDevice;
  readonly formatId: string;
  readonly region: Region;
  readonly state: MetadataState;
  /** Generation of the checkpoint that is on the device; it is not overwritten first. */
  readonly complete: number;
  /** Highest generation that anything on the device has. */
  readonly newest: number;
}

/** Broken until the first `restart`. Calls are made one after the other. */
export class Journal {
  readonly #formatId: string;
  readonly #state: MetadataState;
  readonly #device: BlockDevice;
  #region: Region;
  #complete: number;
  #generation: number;
  #blocks = 0;
  #previousBlocks = 0;
  #stable: JournalPosition = { generation: 0, blocks: 0 };
  #broken = true;
  #checkpoint: Promise<void> = Promise.resolve();

  constructor(options: JournalOptions) {
    this.#device = options.device;
    this.#formatId = options.formatId;
    this.#region = options.region;
    this.#state = options.state;
    this.#complete = options.complete;
    this.#generation = options.newest;
  }

  get broken(): boolean {
    return this.#broken;
  }

  /**
   * Two complete checkpoints of the state as it is.
   * @param verify before each of them: whether the device is still ours
   * @returns the generation of the first
   */
  async restart(verify?: () => Promise<void>): Promise<number> {
    this.#broken = true;
    await this.#checkpoint.catch(() => undefined);
    let first = this.#generation + 1;
    if (first % 2 === this.#complete % 2) first += 1;
    // At once with the generation: a flush of somebody else (of extents) may note meanwhile how far the journal is.
    this.#blocks = 0;
    this.#previousBlocks = 0;
    for (const generation of [first, first + 1]) {
      this.#generation = generation;
      await verify?.();
      await this.#writeCheckpoint(generation, this.#encode(generation));
    }
    this.#stable = { generation: this.#generation, blocks: 0 };
    this.#broken = false;
    return first;
  }

  /** Goes on in another region; it counts when the superblock says so. As `restart` otherwise. */
  async moveTo(region: Region, verify: () => Promise<void>): Promise<number> {
    await this.#checkpoint.catch(() => undefined);
    const before = { region: this.#region, complete: this.#complete };
    this.#region = region;
    try {
      return await this.restart(verify);
    } catch (error) {
      this.#region = before.region;
      this.#complete = before.complete;
      throw error;
    }
  }

  /** Settles when a death of the process can no longer undo the records. @throws BlockError: `broken` */
  async append(records: readonly MetadataRecord[]): Promise<void> {
    if (this.#broken) await this.restart();
    const blocks = splitIntoBlocks(records);
    if (this.#blocks + blocks.length > this.#region.journalBlocks) await this.#rotate();
    const bytes = Buffer.concat(
      blocks.map((list, index) =>
        encodeJournalBlock(
          {
            generation: this.#generation,
            index: this.#blocks + index,
            previousBlocks: this.#previousBlocks,
            stable: this.#stable,
            records: list,
          },
          this.#formatId,
        ),
      ),
    );
    const offset = this.#blocks * METADATA_BLOCK_BYTES;
    const results = await Promise.allSettled(
      [0, 1].map((copy) => {
        const place = journalPlace(this.#region, this.#generation, copy);
        return writeRange(this.#device, bytes, place + offset);
      }),
    );
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      this.#broken = true;
      throw result.reason;
    }
    this.#blocks += blocks.length;
  }

  /** Everything appended before, and everything written to the device before, is on stable storage. */
  async flush(): Promise<void> {
    const position = { generation: this.#generation, blocks: this.#blocks };
    await this.#device.flush();
    const { generation, blocks } = this.#stable;
    const ahead =
      position.generation === generation
        ? position.blocks > blocks
        : position.generation > generation;
    if (ahead) this.#stable = position;
  }

  /** Waits for a checkpoint that is being written. */
  async settled(): Promise<void> {
    await this.#checkpoint.catch(() => undefined);
  }

  async #rotate(): Promise<void> {
    await this.#checkpoint.catch(() => undefined);
    if (this.#broken) {
      await this.restart();
      return;
    }
    const generation = this.#generation + 1;
    const image = this.#encode(generation);
    this.#generation = generation;
    this.#previousBlocks = this.#blocks;
    this.#blocks = 0;
    this.#checkpoint = this.#writeCheckpoint(generation, image);
    this.#checkpoint.catch(() => {
      this.#broken = true; // the next append begins with two new ones
    });
  }

  #encode(generation: number): Buffer {
    const image = encodeCheckpoint(this.#state, generation, this.#formatId);
    // Whoever makes a volume or grows the device has seen to it.
    if (image.length > this.#region.checkpointBytes) throw new RangeError('no room for the map');
    return image;
  }

  async #writeCheckpoint(generation: number, image: Buffer): Promise<void> {
    await writeRange(this.#device, image, checkpointPlace(this.#region, generation));
    await this.#device.flush();
    this.#complete = generation;
  }
}
