/**
 * Reads and writes of one open descriptor, over Node's fs alone: what devices over files and block device nodes share.
 *
 * How a request runs is decided per request (io-mode.ts): synchronously while the file behaves like memory, through the
 * thread pool with callbacks otherwise. A range lock keeps overlapping changes in order when some of them wait.
 *
 * After a failed fdatasync every later one of this descriptor fails too: the kernel reports a lost write once and then
 * forgets it, so a retry that "succeeds" would be a lie.
 */
import * as fs from 'node:fs';
import { chain, GroupCommit, type MaybePromise, RangeLock } from '../base/index.ts';
import { BlockError } from '../errors/index.ts';
import { type Clock, IoMode } from './io-mode.ts';
import { SYNC_IO_BYTES, ZEROES_BYTES } from './limits.ts';
import { ZEROES } from './zeroes.ts';

export class DescriptorIo {
  readonly #fd: number;
  readonly #mode: IoMode;
  readonly #ranges = new RangeLock();
  readonly #sync = new GroupCommit(() => this.#fdatasync());
  #syncFailure: BlockError | undefined;

  constructor(fd: number, clock: Clock) {
    this.#fd = fd;
    this.#mode = new IoMode(clock);
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    if (target.length <= SYNC_IO_BYTES) {
      const started = this.#mode.start();
      if (started >= 0) {
        this.#readNow(target, offset);
        this.#mode.finish(started);
        return undefined;
      }
    }
    return this.#readLater(target, offset);
  }

  write(source: Buffer, offset: number, fua: boolean): MaybePromise<void> {
    if (this.#ranges.idle && this.#tryWriteNow(source, offset)) {
      return fua ? this.sync() : undefined;
    }
    return this.change(offset, source.length, fua, () =>
      this.#tryWriteNow(source, offset) ? undefined : this.#writeLater(source, offset),
    );
  }

  /** Runs `work` after the changes of the range that were asked for earlier; with `fua` it is on stable storage then. */
  change(
    offset: number,
    length: number,
    fua: boolean,
    work: () => MaybePromise<void>,
  ): MaybePromise<void> {
    const changed = this.#ranges.run(offset, offset + length, work);
    return fua ? chain(changed, () => this.sync()) : changed;
  }

  /** For the `work` of a change. */
  async writeZeroes(offset: number, length: number): Promise<void> {
    for (let done = 0; done < length; done += ZEROES_BYTES) {
      const piece = ZEROES.subarray(0, Math.min(ZEROES_BYTES, length - done));
      if (!this.#tryWriteNow(piece, offset + done)) await this.#writeLater(piece, offset + done);
    }
  }

  /** What was written through any descriptor of the file is on stable storage. */
  sync(): Promise<void> {
    return this.#sync.request();
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.close(this.#fd, (error) =>
        error ? reject(BlockError.from(error, 'flush', 0, 0)) : resolve(),
      );
    });
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
