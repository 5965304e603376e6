/**
 * A block device node as a disk. Reads and writes go through the host's page cache; fdatasync empties it and the disk's
 * own. Trim is not offered: it takes an ioctl that Node has not, and a program that does it could outlive us and discard
 * what has been written since.
 */
import type { MaybePromise } from '../../base/index.ts';
import {
  type Capabilities,
  type Clock,
  DescriptorIo,
  type Extent,
  Gate,
  type Geometry,
  type Loan,
  MAXIMUM_IO_BYTES,
  type MeasurableDevice,
  type WriteOptions,
  type ZeroOptions,
} from '../../block/index.ts';
import { BlockError } from '../../errors/index.ts';

export interface NodeDeviceOptions {
  /** Of the open node; closed with the device. */
  readonly fd: number;
  readonly write: boolean;
  /** Bytes. */
  readonly size: number;
  /** Bytes. */
  readonly logicalBlock: number;
  readonly rotational: boolean;
  readonly clock: Clock;
  /** Bytes that the kernel says it has now; undefined: it is not there. */
  readonly measure: () => Promise<number | undefined>;
  /** Closed with the device, before it. */
  readonly companion?: { close(): Promise<void> } | undefined;
}

export class NodeDevice implements MeasurableDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #io: DescriptorIo;
  readonly #companion: NodeDeviceOptions['companion'];
  readonly #measure: NodeDeviceOptions['measure'];
  #currentSize: number;
  readonly #gate = new Gate();

  constructor(options: NodeDeviceOptions) {
    const { write, size, logicalBlock, rotational } = options;
    this.#io = new DescriptorIo(options.fd, options.clock);
    this.#companion = options.companion;
    this.#measure = options.measure;
    this.#currentSize = size;
    this.geometry = Object.freeze({
      size,
      minimumIo: logicalBlock,
      preferredIo: Math.max(4096, logicalBlock),
      maximumIo: MAXIMUM_IO_BYTES,
    });
    this.capabilities = Object.freeze({
      write,
      flush: true,
      fua: write,
      trim: false,
      zero: write,
      fastZero: false,
      cache: false,
      extents: false,
      multiConn: true, // fdatasync covers what any descriptor of the device wrote
      rotational,
    });
  }

  get currentSize(): number {
    return this.#currentSize;
  }

  async measure(): Promise<number> {
    this.#gate.check('extents', 0, 0);
    const size = await this.#measure();
    if (size === undefined) {
      throw new BlockError('EIO', 'extents', 0, 0, 'the host does not see the disk any more');
    }
    this.#currentSize = size;
    return size;
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    this.#gate.check('read', offset, target.length);
    return this.#gate.track(this.#io.read(target, offset));
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#gate.check('read', offset, length);
    return undefined;
  }

  cache(offset: number, length: number): void {
    this.#gate.check('cache', offset, length);
  }

  extents(offset: number, length: number, _limit: number): Extent[] {
    this.#gate.check('extents', offset, length);
    return [{ offset, length, kind: 'data' }];
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
    return options.fua ? this.flush() : undefined;
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    this.#gate.check('zero', offset, length);
    if (options.fast) {
      throw new BlockError('ENOTSUP', 'zero', offset, length, 'not faster than writing zeroes');
    }
    const zeroed = this.#io.change(offset, length, options.fua, () =>
      this.#io.writeZeroes(offset, length),
    );
    return this.#gate.track(zeroed);
  }

  close(): Promise<void> {
    return this.#gate.close(async () => {
      await this.#companion?.close();
      await this.#io.close();
    });
  }
}
