/**
 * Everything that changes the metadata, one commit after the other: look whether the device is still ours, write the
 * records, then show what they say (in the maps that workers look at) and let go of what they freed. Operations of the
 * same kind that wait share a commit.
 *
 * Nothing is shown before its record is on the device, so that what a worker acknowledges is found again after the
 * death of the process.
 */
import { BlockError } from '../../errors/index.ts';
import type { ExtentPool } from './extent-pool.ts';
import type { DeviceGrowth } from './grow-device.ts';
import type { Journal } from './journal.ts';
import { OPERATIONS_AT_ONCE } from './limits.ts';
import type { MetadataState } from './metadata-state.ts';
import type { Ownership } from './ownership.ts';
import type { MetadataRecord } from './records.ts';
import type { DeviceWords } from './shared-words.ts';

export interface Operation {
  /** `alone`: what it prepares rests on everything before being shown. */
  readonly kind: 'allocate' | 'free' | 'alone';
  /**
   * Its records as things are now; none: nothing needs to change. Runs at once; what it throws is the operation's.
   * @param claimed notes of the operations that share the commit, for each other
   */
  prepare(claimed: Set<string>): readonly MetadataRecord[];
  /** On stable storage before it settles. */
  readonly durable: boolean;
}

/** Between two commits. */
interface Alone {
  readonly kind: 'work';
  work(): Promise<void>;
}

interface Waiting {
  readonly operation: Operation | Alone;
  resolve(): void;
  reject(error: unknown): void;
}

export interface CommitQueueOptions {
  readonly state: MetadataState;
  readonly journal: Journal;
  readonly ownership: Ownership;
  readonly pool: ExtentPool;
  readonly words: DeviceWords;
  readonly growth: DeviceGrowth;
}

export class CommitQueue {
  readonly #options: CommitQueueOptions;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: CommitQueueOptions) {
    this.#options = options;
  }

  /** @throws what `prepare` throws; BlockError ESTALE, ESHUTDOWN, or what the device failed with */
  run(operation: Operation): Promise<void> {
    return this.#enqueue(operation);
  }

  /** Runs `work` while no record is written. @throws what it throws; as `run` */
  alone(work: () => Promise<void>): Promise<void> {
    return this.#enqueue({ kind: 'work', work });
  }

  #enqueue(operation: Operation | Alone): Promise<void> {
    if (this.#closed) {
      return Promise.reject(new BlockError('ESHUTDOWN', 'write', 0, 0, 'the repository is closed'));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ operation, resolve, reject });
      if (this.#running === undefined) this.#occupy(this.#work());
    });
  }

  /** Waits for what was asked for; later operations are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running !== undefined) await this.#running;
  }

  #occupy(work: Promise<void>): void {
    this.#running = work.finally(() => {
      this.#running = undefined;
      if (this.#waiting.length > 0) this.#occupy(this.#work());
    });
  }

  async #work(): Promise<void> {
    // In a later turn: what is asked for in this one shares the first commit.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#commit(this.#nextBatch());
  }

  #nextBatch(): Waiting[] {
    const kind = this.#waiting[0]?.operation.kind;
    let count = 1;
    while (
      kind !== 'alone' &&
      kind !== 'work' &&
      count < OPERATIONS_AT_ONCE &&
      this.#waiting[count]?.operation.kind === kind
    ) {
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const { journal, ownership } = this.#options;
    const taking: Waiting[] = [];
    try {
      await ownership.verify();
      await this.#repair();
      const records: MetadataRecord[] = [];
      const claimed = new Set<string>();
      for (const one of batch) {
        const { operation } = one;
        try {
          if (operation.kind === 'work') await operation.work();
          else records.push(...operation.prepare(claimed));
          taking.push(one);
        } catch (error) {
          one.reject(error);
        }
      }
      if (records.length > 0) await this.#append(records);
      if (taking.some(isDurable)) await journal.flush();
      for (const one of taking) one.resolve();
    } catch (error) {
      for (const one of batch) one.reject(error); // those that settled already have
    }
  }

  async #append(records: readonly MetadataRecord[]): Promise<void> {
    const { journal, ownership, words } = this.#options;
    try {
      await journal.append(records);
    } catch (error) {
      // What the device would say after a crash is not known: nobody may write to what may no longer be theirs.
      words.state = 'halted';
      // It may have failed because the device is another server's now, and so would be the checkpoints.
      await ownership
        .verify()
        .then(() => this.#repair())
        .catch(() => undefined);
      throw error;
    }
    this.#show(records);
  }

  #show(records: readonly MetadataRecord[]): void {
    const { state, pool } = this.#options;
    for (const record of records) {
      const volume = state.volumes.get(record.volume);
      volume?.words.nextVersion();
      const freed: number[] = [];
      const contradiction = state.apply(record, (extent) => freed.push(extent));
      if (contradiction !== undefined) throw new Error(contradiction.message);
      if (volume !== undefined) pool.retire(freed, volume.drained);
    }
  }

  /** After a failure: a superblock in both places, and two new checkpoints, with which nothing is doubtful any more. */
  async #repair(): Promise<void> {
    const { journal, words, growth } = this.#options;
    await growth.settle();
    if (journal.broken) await journal.restart();
    if (words.state === 'halted') words.state = 'ready';
  }
}

const isDurable = ({ operation }: Waiting): boolean =>
  operation.kind !== 'work' && operation.durable;
