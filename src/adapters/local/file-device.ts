/**
 * A file as a disk, over Node's fs alone.
 *
 * How a request runs is decided per request (io-mode.ts): synchronously while the file behaves like
 * memory, through the thread pool with callbacks otherwise. A range lock keeps overlapping changes in
 * order when some of them wait.
 *
 * After a failed fdatasync every later flush of this handle fails too: the kernel reports a lost
 * write once and then forgets it, so a retry that "succeeds" would be a lie.
 */
import * as fs from 'node:fs';
import { GroupCommit, isPromise, type MaybePromise, RangeLock } from '../../base/index.ts';
import {
  type BlockDevice,
  type Capabilities,
  type Extent,
  Gate,
  type Geometry,
  type Loan,
  MAXIMUM_IO_BYTES,
  type WriteOptions,
  ZEROES,
  type ZeroOptions,
} from '../../block/index.ts';
import { BlockError, type BlockOperation } from '../../errors/index.ts';
import type { HolePuncher } from './hole-puncher.ts';
import { type Clock, IoMode } from './io-mode.ts';
import { PUNCH_MINIMUM_BYTES, SYNC_IO_BYTES, ZERO_PIECE_BYTES } from './limits.ts';

export interface FileDeviceOptions {
  /** An open regular file; closed with the device. */
  readonly fd: number;
  readonly write: boolean;
  readonly clock: Clock;
  readonly puncher: HolePuncher;
  /** Whether holes can be punched at all; found out once, before any file is opened. */
  readonly canPunch: boolean;
  /** Called once when the file system turns out not to punch holes. */
  readonly onCannotPunch: () => void;
}

export class FileDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #fd: number;
  readonly #mode: IoMode;
  readonly #puncher: HolePuncher;
  readonly #onCannotPunch: () => void;
  readonly #gate = new Gate();
  readonly #ranges = new RangeLock();
  readonly #sync = new GroupCommit(() => this.#fdatasync());
  #canPunch: boolean;
  #syncFailure: BlockError | undefined;

  /** @throws what fs.fstat throws; BlockError EINVAL when it is not a regular file */
  constructor(options: FileDeviceOptions) {
    const status = fs.fstatSync(options.fd);
    if (!status.isFile()) throw new BlockError('EINVAL', 'open', 0, 0, 'not a regular file');
    this.#fd = options.fd;
    this.#mode = new IoMode(options.clock);
    this.#puncher = options.puncher;
    this.#canPunch = options.canPunch;
    this.#onCannotPunch = options.onCannotPunch;
    this.geometry = Object.freeze({
      size: status.size,
      minimumIo: 1,
      preferredIo: 4096,
      maximumIo: MAXIMUM_IO_BYTES,
    });
    this.capabilities = Object.freeze({
      write: options.write,
      flush: true,
      fua: options.write,
      trim: options.write && options.canPunch,
      zero: options.write,
      fastZero: options.write && options.canPunch,
      cache: false,
      extents: true,
      multiConn: true, // fdatasync covers what any descriptor of the file wrote
      rotational: false,
    });
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    this.#gate.check('read', offset, target.length);
    if (target.length <= SYNC_IO_BYTES) {
      const started = this.#mode.start();
      if (started >= 0) {
        this.#readNow(target, offset);
        this.#mode.finish(started);
        return undefined;
      }
    }
    return this.#gate.track(this.#readLater(target, offset));
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#gate.check('read', offset, length);
    return undefined;
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    this.#gate.check('write', offset, source.length);
    if (this.#ranges.idle && this.#tryWriteNow(source, offset)) {
      return options.fua ? this.flush() : undefined;
    }
    const written = this.#ranges.run(offset, offset + source.length, () =>
      this.#tryWriteNow(source, offset) ? undefined : this.#writeLater(source, offset),
    );
    return this.#gate.track(this.#thenSync(written, options.fua));
  }

  flush(): MaybePromise<void> {
    this.#gate.check('flush', 0, 0);
    return this.#gate.track(this.#sync.request());
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    this.#gate.check('trim', offset, length);
    if (!this.#canPunch || this.#holdsNothing()) {
      return options.fua ? this.flush() : undefined;
    }
    const trimmed = this.#ranges.run(offset, offset + length, async () => {
      await this.#punch('trim', offset, length);
    });
    return this.#gate.track(this.#thenSync(trimmed, options.fua));
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    this.#gate.check('zero', offset, length);
    if (options.fast && (options.noHole || !this.#canPunch)) {
      throw new BlockError('ENOTSUP', 'zero', offset, length, 'not faster than writing zeroes');
    }
    const zeroed = this.#ranges.run(offset, offset + length, () =>
      this.#zeroRange(offset, length, options),
    );
    return this.#gate.track(this.#thenSync(zeroed, options.fua));
  }

  cache(offset: number, length: number): void {
    this.#gate.check('cache', offset, length);
  }

  extents(offset: number, length: number, _limit: number): Extent[] {
    this.#gate.check('extents', offset, length);
    return [{ offset, length, kind: this.#holdsNothing() ? 'hole' : 'data' }];
  }

  close(): Promise<void> {
    return this.#gate.close(
      () =>
        new Promise((resolve, reject) => {
          fs.close(this.#fd, (error) =>
            error ? reject(BlockError.from(error, 'flush', 0, 0)) : resolve(),
          );
        }),
    );
  }

  /** Asked of the kernel each time: another handle may have written. Counts delayed allocations. */
  #holdsNothing(): boolean {
    return fs.fstatSync(this.#fd).blocks === 0;
  }

  #thenSync(work: MaybePromise<void>, fua: boolean): MaybePromise<void> {
    if (!fua) return work;
    return isPromise(work) ? work.then(() => this.#sync.request()) : this.#sync.request();
  }

  #readNow(target: Buffer, offset: number): void {
    try {
      for (let done = 0; done < target.length; ) {
        const count = fs.readSync(this.#fd, target, done, target.length - done, offset + done);
        if (count === 0) throw endOfFile(offset, target.length);
        done += count;
      }
    } catch (error) {
      throw BlockError.from(error, 'read', offset, target.length);
    }
  }

  #readLater(target: Buffer, offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let done = 0;
      const step = (error: Error | null, count: number): void => {
        done += count;
        if (error !== null) reject(BlockError.from(error, 'read', offset, target.length));
        else if (done === target.length) resolve();
        else if (count === 0) reject(endOfFile(offset, target.length));
        else next();
      };
      const next = (): void => {
        fs.read(this.#fd, target, done, target.length - done, offset + done, step);
      };
      next();
    });
  }

  /** @returns false when the write is too long, or the file too slow, to be made synchronously. */
  #tryWriteNow(source: Buffer, offset: number): boolean {
    if (source.length > SYNC_IO_BYTES) return false;
    const started = this.#mode.start();
    if (started < 0) return false;
    try {
      for (let done = 0; done < source.length; ) {
        done += fs.writeSync(this.#fd, source, done, source.length - done, offset + done);
      }
    } catch (error) {
      throw BlockError.from(error, 'write', offset, source.length);
    }
    this.#mode.finish(started);
    return true;
  }

  #writeLater(source: Buffer, offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let done = 0;
      const next = (): void => {
        fs.write(this.#fd, source, done, source.length - done, offset + done, (error, count) => {
          done += count;
          if (error !== null) reject(BlockError.from(error, 'write', offset, source.length));
          else if (done === source.length) resolve();
          else next();
        });
      };
      next();
    });
  }

  #zeroRange(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    if (options.noHole) return this.#writeZeroes(offset, length);
    if (this.#holdsNothing()) return undefined;
    if (length < PUNCH_MINIMUM_BYTES || !this.#canPunch) return this.#writeZeroes(offset, length);
    return this.#punchOrWriteZeroes(offset, length, options.fast);
  }

  async #punchOrWriteZeroes(offset: number, length: number, fast: boolean): Promise<void> {
    if (await this.#punch('zero', offset, length)) return;
    if (fast) throw new BlockError('ENOTSUP', 'zero', offset, length, 'holes cannot be punched');
    await this.#writeZeroes(offset, length);
  }

  async #writeZeroes(offset: number, length: number): Promise<void> {
    for (let done = 0; done < length; done += ZERO_PIECE_BYTES) {
      const piece = ZEROES.subarray(0, Math.min(ZERO_PIECE_BYTES, length - done));
      if (!this.#tryWriteNow(piece, offset + done)) await this.#writeLater(piece, offset + done);
    }
  }

  /** @returns whether the range is a hole now; where it cannot be made one, it is as it was. */
  async #punch(operation: BlockOperation, offset: number, length: number): Promise<boolean> {
    try {
      const result = await this.#puncher.punch(this.#fd, offset, length);
      if (result === 'unsupported' && this.#canPunch) {
        this.#canPunch = false;
        this.#onCannotPunch();
      }
      return result === 'punched';
    } catch (error) {
      throw BlockError.from(error, operation, offset, length);
    }
  }

  #fdatasync(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#syncFailure !== undefined) {
        reject(this.#syncFailure);
        return;
      }
      fs.fdatasync(this.#fd, (error) => {
        if (error === null) {
          resolve();
          return;
        }
        this.#syncFailure ??= BlockError.from(error, 'flush', 0, 0);
        reject(this.#syncFailure);
      });
    });
  }
}

function endOfFile(offset: number, length: number): BlockError {
  return new BlockError('EIO', 'read', offset, length, 'the file is shorter than it was');
}
