/**
 * A file on an NFS server as a disk. Requests longer than the server takes at once are split, and the parts run at the
 * same time.
 *
 * There is no hole punching before NFSv4.2: `zero` writes zeroes, `trim` is not offered.
 */
import { forEachOf, isPromise, type MaybePromise } from '../../../base/index.ts';
import {
  type BlockDevice,
  type Capabilities,
  type Extent,
  Gate,
  type Geometry,
  type Loan,
  MAXIMUM_IO_BYTES,
  type WriteOptions,
  ZEROES_BYTES,
  type ZeroOptions,
} from '../../../block/index.ts';
import { BlockError } from '../../../errors/index.ts';
import { PARTS_AT_ONCE } from '../limits.ts';
import { blockErrorOf } from '../share/nfs-error.ts';
import type { FileAttributes } from '../wire/attributes.ts';
import type { DataFile } from './data-file.ts';

export interface NfsDeviceParts {
  /** Shared by the devices of a thread; `release` gives this device's part back. */
  readonly file: DataFile;
  readonly size: number;
  readonly write: boolean;
  readonly attributes: () => Promise<FileAttributes>;
  readonly release: () => Promise<void>;
}

export class NfsDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #file: DataFile;
  readonly #parts: NfsDeviceParts;
  readonly #gate = new Gate();
  /** Something was written, here or elsewhere: no use in asking again. */
  #holdsData = false;

  constructor(parts: NfsDeviceParts) {
    this.#parts = parts;
    this.#file = parts.file;
    this.geometry = Object.freeze({
      size: parts.size,
      minimumIo: 1,
      preferredIo: 4096,
      maximumIo: MAXIMUM_IO_BYTES,
    });
    const { write } = parts;
    this.capabilities = Object.freeze({
      write,
      flush: true,
      fua: write,
      trim: false,
      zero: write,
      fastZero: false,
      cache: false,
      extents: true,
      multiConn: true, // what a thread writes is stable when it settles, unless it has the file alone (sharing.ts)
      rotational: false,
    });
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    const { length } = target;
    this.#gate.check('read', offset, length);
    if (length === 0) return undefined;
    const most = this.#file.readMost;
    return this.#gate.track(
      length <= most
        ? this.#file.read(target, offset)
        : inParts(length, most, (at, count) =>
            this.#file.read(target.subarray(at, at + count), offset + at),
          ),
    );
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#gate.check('read', offset, length);
    return undefined;
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    const { length } = source;
    this.#gate.check('write', offset, length);
    this.#checkWritable('write', offset, length);
    if (length === 0) return undefined;
    this.#holdsData = true;
    const most = this.#file.writeMost;
    if (length <= most) return this.#gate.track(this.#file.write(source, offset, options.fua));
    const written = inParts(length, most, (at, count) =>
      this.#file.write(source.subarray(at, at + count), offset + at, false),
    );
    return this.#gate.track(options.fua ? written.then(() => this.#file.flush()) : written);
  }

  flush(): MaybePromise<void> {
    this.#gate.check('flush', 0, 0);
    return this.#gate.track(this.#file.flush());
  }

  trim(offset: number, length: number, _options: WriteOptions): MaybePromise<void> {
    this.#gate.check('trim', offset, length);
    throw new BlockError('ENOTSUP', 'trim', offset, length, 'NFS cannot punch holes');
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    this.#gate.check('zero', offset, length);
    this.#checkWritable('zero', offset, length);
    if (options.fast) {
      throw new BlockError('ENOTSUP', 'zero', offset, length, 'not faster than writing zeroes');
    }
    const zeroed = options.noHole
      ? this.#writeZeroes(offset, length)
      : this.#empty('zero').then((empty) =>
          empty ? undefined : this.#writeZeroes(offset, length),
        );
    return this.#gate.track(options.fua ? zeroed.then(() => this.#file.flush()) : zeroed);
  }

  cache(offset: number, length: number): void {
    this.#gate.check('cache', offset, length);
  }

  extents(offset: number, length: number, _limit: number): MaybePromise<Extent[]> {
    this.#gate.check('extents', offset, length);
    const data: Extent[] = [{ offset, length, kind: 'data' }];
    if (this.#holdsData) return data;
    return this.#gate.track(
      this.#empty('extents').then((empty) => (empty ? [{ offset, length, kind: 'hole' }] : data)),
    );
  }

  close(): Promise<void> {
    return this.#gate.close(async () => {
      try {
        await this.#parts.release();
      } catch (error) {
        throw blockErrorOf(error, 'flush', 0, 0);
      }
    });
  }

  /** Whether the whole file is a hole. Committed first: a server may allocate no earlier. */
  async #empty(operation: 'zero' | 'extents'): Promise<boolean> {
    if (this.#holdsData) return false;
    try {
      await this.#file.flush();
      const { used } = await this.#parts.attributes();
      if (used > 0) this.#holdsData = true;
      return used === 0 && !this.#holdsData;
    } catch (error) {
      throw blockErrorOf(error, operation, 0, 0);
    }
  }

  #writeZeroes(offset: number, length: number): Promise<void> {
    this.#holdsData = true;
    const most = Math.min(this.#file.writeMost, ZEROES_BYTES) & ~3; // so that padding fits, too
    return inParts(length, most, (at, count) => this.#file.zero(offset + at, count));
  }

  #checkWritable(operation: 'write' | 'zero', offset: number, length: number): void {
    if (this.capabilities.write) return;
    throw new BlockError('EROFS', operation, offset, length, 'opened for reading only');
  }
}

function* pieces(length: number, most: number): Generator<readonly [at: number, count: number]> {
  for (let at = 0; at < length; at += most) yield [at, Math.min(most, length - at)];
}

function inParts(
  length: number,
  most: number,
  run: (at: number, count: number) => MaybePromise<void>,
): Promise<void> {
  return forEachOf(pieces(length, most), PARTS_AT_ONCE, async ([at, count]) => {
    const result = run(at, count);
    if (isPromise(result)) await result;
  });
}
