/** Answers the workers: opens volumes, maps extents at first writes, frees what was trimmed. */
import { BlockError } from '../../errors/index.ts';
import type { CommitQueue } from './commit-queue.ts';
import type { ExtentPool } from './extent-pool.ts';
import type { CarvedVolume, MetadataState } from './metadata-state.ts';
import type { Ownership } from './ownership.ts';
import { type FreedExtents, type OpenedVolume, readQuestion } from './questions.ts';
import type { MetadataRecord } from './records.ts';
import type { DeviceWords } from './shared-words.ts';

export interface AnswersOptions {
  readonly state: MetadataState;
  readonly queue: CommitQueue;
  readonly pool: ExtentPool;
  readonly ownership: Ownership;
  readonly words: DeviceWords;
}

export class Answers {
  readonly #options: AnswersOptions;

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** @throws BlockError */
  async answer(value: unknown): Promise<unknown> {
    const question = readQuestion(value);
    if (question === undefined) throw new BlockError('EINVAL', 'open', 0, 0, 'not a question');
    try {
      switch (question.kind) {
        case 'verify':
          return await this.#options.ownership.verify();
        case 'open':
          return this.#open(this.#volume(question.volume));
        case 'allocate':
          return await this.#allocate(this.#volume(question.volume), question.extents);
        case 'free':
          return await this.#free(this.#volume(question.volume), question);
      }
    } catch (error) {
      throw BlockError.from(error, question.kind === 'open' ? 'open' : 'write', 0, 0);
    }
  }

  #volume(id: string): CarvedVolume {
    const volume = this.#options.state.byId(id);
    if (volume?.ready === true && !volume.closing) return volume;
    throw new BlockError('ESTALE', 'open', 0, 0, `there is no volume ${id}`);
  }

  #open(volume: CarvedVolume): OpenedVolume {
    const { ownership, words } = this.#options;
    if (words.state === 'fenced') {
      throw new BlockError('ESTALE', 'open', 0, 0, 'the device belongs to another server');
    }
    const { formatId, attachToken, extentSize, dataStart, deviceSize } = ownership.superblock;
    volume.words.addOpen(1);
    return {
      size: volume.size,
      thin: volume.thin,
      formatId,
      attachToken,
      extentSize,
      dataStart,
      deviceSize,
      volumeWords: volume.words.buffer,
      deviceWords: words.buffer,
      segments: volume.map.segments,
    };
  }

  /** Maps at least one of them; whoever asked looks which, and asks again. */
  async #allocate(volume: CarvedVolume, wanted: readonly number[]): Promise<void> {
    const { queue, pool, state, words } = this.#options;
    const end = state.extentsOf(volume.size);
    if (wanted.some((index) => index >= end)) {
      throw new BlockError('EINVAL', 'write', 0, 0, 'beyond the end of the volume');
    }
    const isMissing = (index: number): boolean => volume.map.get(index) === 0;
    const missing = new Set(wanted.filter(isMissing));
    if (missing.size === 0) return;
    const extents = await this.#acquire(missing.size, () => [...missing].every(isMissing));
    if (extents.length === 0) return;
    let spare = extents;
    const operation = {
      kind: 'allocate' as const,
      durable: false,
      prepare: (claimed: Set<string>): MetadataRecord[] => {
        this.#volume(volume.id);
        // Others may have asked for the same ones: what the commit maps already is taken care of.
        const claim = (index: number): string => `${volume.number}:${index}`;
        const mine = [...missing]
          .filter((index) => isMissing(index) && !claimed.has(claim(index)))
          .slice(0, extents.length);
        for (const index of mine) claimed.add(claim(index));
        spare = extents.slice(mine.length);
        return mapRecords(volume, mine, extents);
      },
    };
    try {
      await queue.run(operation);
      pool.giveBackReady(spare);
    } catch (error) {
      // Also of a record that may be on the device: when it still counts for anything, the device is halted.
      if (words.state === 'ready') pool.giveBackDirty(extents);
      throw error;
    }
  }

  /**
   * @param stillMissing whether none of the extents has been mapped meanwhile
   * @returns none: it has
   */
  async #acquire(count: number, stillMissing: () => boolean): Promise<number[]> {
    const { pool, queue } = this.#options;
    try {
      return await pool.acquire(count);
    } catch (error) {
      if (!(error instanceof BlockError) || error.errno !== 'ENOSPC') throw error;
      // Whoever took the last ones may be mapping the same extents, or give some back: known after their commit.
      await queue.run({ kind: 'allocate', durable: false, prepare: () => [] });
      return stillMissing() ? await pool.acquire(count) : [];
    }
  }

  /** Gives back what is mapped; the last, partial extent only when the volume ends where the asker thinks. */
  async #free(
    volume: CarvedVolume,
    range: { readonly first: number; readonly count: number; readonly size: number },
  ): Promise<FreedExtents> {
    const { queue, state } = this.#options;
    const { first } = range;
    const whole = range.size === volume.size ? Math.ceil : Math.floor;
    const end = Math.min(first + range.count, whole(range.size / state.extentSize));
    if (!volume.thin || end <= first) return { count: 0 };
    await queue.run({
      kind: 'free',
      durable: false,
      prepare: () => {
        this.#volume(volume.id);
        if (volume.map.nextMapped(first, end) === end) return [];
        return [{ kind: 'unmap', volume: volume.number, logical: first, count: end - first }];
      },
    });
    return { count: end - first };
  }
}

/** Maps the indices to the first of the extents: neighbours to neighbours in one record. */
function mapRecords(
  volume: CarvedVolume,
  indices: readonly number[],
  extents: readonly number[],
): Extract<MetadataRecord, { kind: 'map' }>[] {
  const records: { logical: number; physical: number; count: number }[] = [];
  const sorted = [...indices].sort((a, b) => a - b);
  for (const [nth, physical] of extents.entries()) {
    const logical = sorted[nth];
    if (logical === undefined) break;
    const last = records.at(-1);
    const touches =
      last !== undefined &&
      last.logical + last.count === logical &&
      last.physical + last.count === physical;
    if (touches) last.count += 1;
    else records.push({ logical, physical, count: 1 });
  }
  return records.map((record) => ({ kind: 'map', volume: volume.number, ...record }));
}
