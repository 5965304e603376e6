/**
 * Makes, grows and deletes volumes. A thick one is made in steps: its entry first, marked as unfinished, then zeroed
 * extents a few at a time, then the mark is taken off. A crash, a failure or a cancelled call leaves something
 * unfinished, which is removed.
 */
import { randomBytes } from 'node:crypto';
import { KeyedMutex } from '../../base/index.ts';
import { ArrayError } from '../../errors/index.ts';
import type { CallOptions, CreateVolume } from '../array-control.ts';
import { volumeTableBytes } from './checkpoint.ts';
import type { CommitQueue, Operation } from './commit-queue.ts';
import { type ExtentPool, numbersOf } from './extent-pool.ts';
import { RUN_BYTES, roundUp } from './layout.ts';
import {
  CARVED_NAME_BYTES,
  CARVED_VOLUMES,
  EXTENTS_AT_ONCE,
  METADATA_BLOCK_BYTES,
} from './limits.ts';
import type { CarvedVolume, MetadataState } from './metadata-state.ts';
import { arrayErrorOf, type Ownership } from './ownership.ts';
import { type MetadataRecord, recordLength, type VolumeEntry } from './records.ts';

/** Bytes of one more volume in a checkpoint, besides its record. */
const ENTRY_TAIL = 16;

export interface VolumeChangesOptions {
  readonly state: MetadataState;
  readonly queue: CommitQueue;
  readonly pool: ExtentPool;
  readonly ownership: Ownership;
  /** Bytes: sizes are multiples of it. */
  readonly granularity: number;
  readonly overcommit: number;
}

export class VolumeChanges {
  readonly #options: VolumeChangesOptions;
  /** By tag for what is made, by id for what is there. */
  readonly #turns = new KeyedMutex();

  constructor(options: VolumeChangesOptions) {
    this.#options = options;
  }

  /** Bytes: the largest volume. */
  get sizeMaximum(): number {
    const { state, granularity } = this.#options;
    return Math.floor((state.extentCount * state.extentSize) / granularity) * granularity;
  }

  /** Bytes that all volumes promise. */
  get provisioned(): number {
    let sum = 0;
    for (const volume of this.#options.state.volumes.values()) sum += volume.reserved;
    return sum;
  }

  /** @throws ArrayError */
  create(request: CreateVolume, options: CallOptions): Promise<CarvedVolume> {
    return this.#turns.run(`tag ${request.tag}`, () => this.#create(request, options));
  }

  /** @throws ArrayError IN_USE */
  delete(id: string): Promise<void> {
    return this.#turns.run(`id ${id}`, async () => {
      const volume = this.#options.state.byId(id);
      if (volume !== undefined) return await this.#remove(volume);
      await this.#commit(() => []); // gone: also on stable storage, whoever deleted it
    });
  }

  /** @param size bytes @throws ArrayError NOT_FOUND, SHRINK_REFUSED, NO_SPACE */
  resize(id: string, size: number, options: CallOptions): Promise<CarvedVolume> {
    return this.#turns.run(`id ${id}`, () => this.#resize(id, this.#rounded(size), options));
  }

  /** Removes what a crash has left unfinished. */
  async removeUnfinished(): Promise<void> {
    const { state } = this.#options;
    for (const volume of [...state.volumes.values()]) {
      if (!volume.ready) await this.#remove(volume);
      else if (volume.reserved > volume.size) await this.#takeBack(volume);
    }
  }

  async #create(request: CreateVolume, options: CallOptions): Promise<CarvedVolume> {
    const { state } = this.#options;
    const size = this.#rounded(request.size);
    checkText('name', request.name);
    checkText('tag', request.tag);
    const there = state.byTag(request.tag);
    if (there !== undefined) {
      if (there.size !== size || there.thin !== request.thin) {
        const message = `volume ${there.id} with tag ${request.tag} has ${there.size} bytes`;
        throw new ArrayError('ALREADY_EXISTS_DIFFERENT', message, { refs: [there.id] });
      }
      await this.#commit(() => []);
      return there;
    }
    const id = randomBytes(16).toString('hex');
    await this.#commit(() => {
      const entry: VolumeEntry = {
        volume: state.nextVolume,
        id,
        name: request.name,
        tag: request.tag,
        size,
        thin: request.thin,
        createdAt: Date.now(),
      };
      this.#refuseTooMany(entry);
      const create = { kind: 'create' as const, ...entry };
      return request.thin ? [create, { kind: 'ready', volume: entry.volume }] : [create];
    });
    const volume = this.#find(id);
    if (request.thin) return volume;
    try {
      await this.#fill(volume, 0, state.extentsOf(size), options);
      await this.#commit(() => [{ kind: 'ready', volume: volume.number }]);
    } catch (error) {
      await this.#remove(volume).catch(() => undefined);
      throw error;
    }
    return volume;
  }

  async #resize(id: string, size: number, options: CallOptions): Promise<CarvedVolume> {
    const { state } = this.#options;
    const volume = this.#find(id);
    if (size < volume.size) {
      const message = `a volume of ${volume.size} bytes is not made smaller`;
      throw new ArrayError('SHRINK_REFUSED', message, { field: 'size', value: size });
    }
    const number = volume.number;
    if (size === volume.size) {
      await this.#commit(() => []);
      return volume;
    }
    if (!volume.thin) {
      const before = state.extentsOf(volume.size);
      await this.#commit(() => {
        this.#refusePromise(size - volume.size);
        return [{ kind: 'reserve', volume: number, size }];
      });
      try {
        await this.#fill(volume, before, state.extentsOf(size), options);
      } catch (error) {
        await this.#takeBack(volume).catch(() => undefined);
        throw error;
      }
    }
    await this.#commit(() => {
      this.#refusePromise(size - volume.reserved);
      return [{ kind: 'resize', volume: number, size }];
    });
    return volume;
  }

  /** Extents beyond the volume's end are given back. */
  async #takeBack(volume: CarvedVolume): Promise<void> {
    const { state } = this.#options;
    const logical = state.extentsOf(volume.size);
    await this.#commit(() => {
      const count = state.extentsOf(volume.reserved) - logical;
      const records: MetadataRecord[] = [];
      if (count > 0) records.push({ kind: 'unmap', volume: volume.number, logical, count });
      return [...records, { kind: 'reserve', volume: volume.number, size: volume.size }];
    });
  }

  /** Maps zeroed extents to [from, to), for which the device has the space for good. */
  async #fill(volume: CarvedVolume, from: number, to: number, options: CallOptions): Promise<void> {
    const { pool, queue } = this.#options;
    if (pool.free < to - from) {
      throw new ArrayError('NO_SPACE', `${to - from} extents are needed, ${pool.free} are free`);
    }
    for (let logical = from; logical < to; ) {
      if (options.signal?.aborted === true) throw new ArrayError('CANCELLED', 'cancelled');
      const runs = await this.#acquire(Math.min(EXTENTS_AT_ONCE, to - logical));
      const records: MetadataRecord[] = [];
      let at = logical;
      for (const { first, count } of runs) {
        records.push({ kind: 'map', volume: volume.number, logical: at, physical: first, count });
        at += count;
      }
      try {
        await pool.zero(runs, true);
        await this.#commit(() => []); // the zeroes are stable before a record says where they are
        await queue.run({
          kind: 'alone',
          durable: false,
          prepare: () => (this.#find(volume.id) === volume ? records : []),
        });
      } catch (error) {
        this.#options.pool.giveBackDirty(runs.flatMap(numbersOf));
        throw arrayErrorOf(error);
      }
      logical = at;
      options.progress?.((logical - from) / (to - from));
    }
  }

  async #acquire(count: number): ReturnType<ExtentPool['acquireDirty']> {
    try {
      return await this.#options.pool.acquireDirty(count);
    } catch (error) {
      throw arrayErrorOf(error);
    }
  }

  async #remove(volume: CarvedVolume): Promise<void> {
    try {
      await this.#commit(() => {
        if (volume.words.open > 0) {
          throw new ArrayError('IN_USE', `volume ${volume.id} is open`, { refs: [volume.id] });
        }
        volume.closing = true;
        return [{ kind: 'delete', volume: volume.number }];
      });
    } catch (error) {
      volume.closing = false;
      throw error;
    }
  }

  /** Durable. @throws ArrayError */
  async #commit(prepare: Operation['prepare']): Promise<void> {
    try {
      await this.#options.queue.run({ kind: 'alone', durable: true, prepare });
    } catch (error) {
      throw arrayErrorOf(error);
    }
  }

  #find(id: string): CarvedVolume {
    const volume = this.#options.state.byId(id);
    if (volume !== undefined && !volume.closing) return volume;
    throw new ArrayError('NOT_FOUND', `there is no volume ${id}`, { refs: [id] });
  }

  #rounded(size: number): number {
    const { granularity } = this.#options;
    const details = { field: 'size', value: size, expected: `1 to ${this.sizeMaximum} bytes` };
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new ArrayError('INVALID_ARGUMENT', `${size} is no size of a volume`, details);
    }
    const rounded = roundUp(size, granularity);
    if (rounded > this.sizeMaximum) {
      throw new ArrayError('OUT_OF_RANGE', `${size} bytes are more than the device has`, details);
    }
    return rounded;
  }

  #refusePromise(bytes: number): void {
    const { state, overcommit } = this.#options;
    const most = state.extentCount * state.extentSize * overcommit;
    if (this.provisioned + Math.max(0, bytes) <= most) return;
    const message = `all volumes may promise ${most} bytes, ${this.provisioned} are promised`;
    throw new ArrayError('NO_SPACE', message);
  }

  #refuseTooMany(entry: VolumeEntry): void {
    const { state, ownership } = this.#options;
    const { region } = ownership.superblock;
    this.#refusePromise(entry.size);
    const table = volumeTableBytes(state) + recordLength({ kind: 'create', ...entry }) + ENTRY_TAIL;
    const maps = state.extentCount * RUN_BYTES;
    const fits = METADATA_BLOCK_BYTES + table + maps <= region.checkpointBytes;
    if (fits && state.volumes.size < CARVED_VOLUMES) return;
    throw new ArrayError('LIMIT_REACHED', `the device has ${state.volumes.size} volumes`);
  }
}

function checkText(field: string, value: string): void {
  const length = Buffer.byteLength(value);
  if (length >= 1 && length <= CARVED_NAME_BYTES) return;
  const expected = `1 to ${CARVED_NAME_BYTES} bytes`;
  throw new ArrayError('INVALID_ARGUMENT', `no ${field}: ${expected}`, { field, value, expected });
}
