/** A file as a disk. How its requests run is told in block/descriptor-io.ts. */
import * as fs from 'node:fs';
import type { MaybePromise } from '../../base/index.ts';
import {
  type BlockDevice,
  type Capabilities,
  type Clock,
  DescriptorIo,
  type Extent,
  Gate,
  type Geometry,
  type Loan,
  MAXIMUM_IO_BYTES,
  type WriteOptions,
  type ZeroOptions,
} from '../../block/index.ts';
import { BlockError, type BlockOperation } from '../../errors/index.ts';
import type { HolePuncher } from './hole-puncher.ts';
import { PUNCH_MINIMUM_BYTES } from './limits.ts';

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
  readonly #io: DescriptorIo;
  readonly #puncher: HolePuncher;
  readonly #onCannotPunch: () => void;
  readonly #gate = new Gate();
  #canPunch: boolean;

  /** @throws what fs.fstat throws; BlockError EINVAL when it is not a regular file */
  constructor(options: FileDeviceOptions) {
    const status = fs.fstatSync(options.fd);
    if (!status.isFile()) throw new BlockError('EINVAL', 'open', 0, 0, 'not a regular file');
    this.#fd = options.fd;
    this.#io = new DescriptorIo(options.fd, options.clock);
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
    return this.#gate.track(this.#io.read(target, offset));
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#gate.check('read', offset, length);
    return undefined;
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    this.#gate.check('write', offset, source.length);
    return this.#gate.track(this.#io.write(source, offset, options.fua));
  }

  flush(): MaybePromise<void> {
    this.#gate.check('flush', 0, 0);
    return this.#gate.track(this.#io.sync());
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    this.#gate.check('trim', offset, length);
    if (!this.#canPunch || this.#holdsNothing()) {
      return options.fua ? this.flush() : undefined;
    }
    const trimmed = this.#io.change(offset, length, options.fua, async () => {
      await this.#punch('trim', offset, length);
    });
    return this.#gate.track(trimmed);
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    this.#gate.check('zero', offset, length);
    if (options.fast && (options.noHole || !this.#canPunch)) {
      throw new BlockError('ENOTSUP', 'zero', offset, length, 'not faster than writing zeroes');
    }
    const zeroed = this.#io.change(offset, length, options.fua, () =>
      this.#zeroRange(offset, length, options),
    );
    return this.#gate.track(zeroed);
  }

  cache(offset: number, length: number): void {
    this.#gate.check('cache', offset, length);
  }

  extents(offset: number, length: number, _limit: number): Extent[] {
    this.#gate.check('extents', offset, length);
    return [{ offset, length, kind: this.#holdsNothing() ? 'hole' : 'data' }];
  }

  close(): Promise<void> {
    return this.#gate.close(() => this.#io.close());
  }

  /** Asked of the kernel each time: another handle may have written. Counts delayed allocations. */
  #holdsNothing(): boolean {
    return fs.fstatSync(this.#fd).blocks === 0;
  }

  #zeroRange(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    if (options.noHole) return this.#io.writeZeroes(offset, length);
    if (this.#holdsNothing()) return undefined;
    if (length < PUNCH_MINIMUM_BYTES || !this.#canPunch)
      return this.#io.writeZeroes(offset, length);
    return this.#punchOrWriteZeroes(offset, length, options.fast);
  }

  async #punchOrWriteZeroes(offset: number, length: number, fast: boolean): Promise<void> {
    if (await this.#punch('zero', offset, length)) return;
    if (fast) throw new BlockError('ENOTSUP', 'zero', offset, length, 'holes cannot be punched');
    await this.#io.writeZeroes(offset, length);
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
}
