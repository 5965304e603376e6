/**
 * A LUN as a BlockDevice. Reads and writes are one command each, unless they are very long; a read goes from the
 * socket's buffer straight into the caller's, a write leaves from where it is. Overlapping changes are sent one after the
 * other, because a target may do simple tasks in any order.
 *
 * A flush covers what the target still has. One that loses a volatile cache with its power says so by the same unit
 * attention that every new session gets, so nobody can tell; the cache of an array has to outlive its power.
 */
import { type MaybePromise, RangeLock } from '../../base/index.ts';
import {
  appendExtent,
  type Capabilities,
  type Extent,
  type ExtentKind,
  type Geometry,
  type Loan,
  MAXIMUM_IO_BYTES,
  type MeasurableDevice,
  type WriteOptions,
  type ZeroOptions,
} from '../../block/index.ts';
import { BlockError, type BlockOperation } from '../../errors/index.ts';
import { type Cdb, decodeLbaStatus, encodeUnmapList, type Lun } from '../wire/index.ts';
import { DeviceRequest, Running } from './device-request.ts';
import { COMMAND_BYTES, PARTS_AT_ONCE, UNMAP_BYTES, WRITE_SAME_BYTES } from './limits.ts';
import type { LunFacts } from './lun-facts.ts';
import type { LunPaths, PathReport } from './lun-paths.ts';

const PREFERRED_IO = 4096;
const WHOLE_DISK = { lba: 0, blocks: 0 } as const;
/** Descriptors of one GET LBA STATUS. */
const LBA_STATUS_AT_ONCE = 64;

export class IscsiDevice implements MeasurableDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly facts: LunFacts;
  readonly #lun: Lun;
  readonly #paths: LunPaths;
  readonly #release: () => Promise<void>;
  readonly #ranges = new RangeLock();
  readonly #running = new Running();
  readonly #blockSize: number;
  readonly #longest: number;
  readonly #zeroBlock: Buffer;
  readonly #hasCache: boolean;
  #syncs = true;
  #writesSame = true;
  #closed: Promise<void> | undefined;

  /** Use IscsiDataPort. @param release gives the sessions back */
  constructor(
    paths: LunPaths,
    lun: Lun,
    facts: LunFacts,
    write: boolean,
    release: () => Promise<void>,
  ) {
    this.#paths = paths;
    this.#lun = lun;
    this.facts = facts;
    this.#release = release;
    const { blockSize, blocksPerPhysical } = facts.capacity;
    this.#blockSize = blockSize;
    this.#zeroBlock = Buffer.alloc(blockSize);
    this.#hasCache = facts.mode?.writeCache !== false;
    const most = (facts.limits?.maximumTransfer ?? 0) * blockSize;
    const short = facts.supports16 ? Number.POSITIVE_INFINITY : 0xffff * blockSize;
    this.#longest = Math.min(most === 0 ? COMMAND_BYTES : most, COMMAND_BYTES, short);
    this.geometry = Object.freeze({
      size: paths.size ?? facts.capacity.blocks * blockSize,
      minimumIo: blockSize,
      preferredIo: Math.max(PREFERRED_IO, Math.min(blockSize * blocksPerPhysical, 65_536)),
      maximumIo: MAXIMUM_IO_BYTES,
    });
    const writable = write && facts.mode?.writeProtected !== true;
    this.capabilities = Object.freeze({
      write: writable,
      flush: true,
      fua: writable,
      trim: writable && trims(facts),
      zero: writable,
      fastZero: writable && unmapsToZeroes(facts),
      cache: false,
      extents: facts.lbaStatus,
      multiConn: true, // SYNCHRONIZE CACHE is about the LUN, whoever wrote
      rotational: facts.rotational,
    });
  }

  /** NAA, EUI or what else the disk calls itself; see LunIdentity. */
  get wwid(): string {
    return this.facts.identity.wwid;
  }

  get currentSize(): number {
    return this.#paths.size ?? this.geometry.size;
  }

  async measure(): Promise<number> {
    this.#running.check('extents', 0, 0);
    try {
      return await this.#running.track(this.#paths.measure());
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new BlockError('ETIMEDOUT', 'extents', 0, 0, `no answer: ${message}`, { cause: error });
    }
  }

  get paths(): readonly PathReport[] {
    return this.#paths.reports;
  }

  read(target: Buffer, offset: number): Promise<void> {
    if (target.length <= this.#longest) return this.#read(target, offset);
    return this.#inParts(offset, target.length, this.#longest, (at, length) =>
      this.#read(target.subarray(at - offset, at - offset + length), at),
    );
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#running.check('read', offset, length);
    return undefined; // nothing of it is in this machine's memory
  }

  cache(offset: number, length: number): void {
    this.#running.check('cache', offset, length);
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    const { length } = source;
    this.#checkWritable('write', offset, length);
    const fua = options.fua && this.facts.mode?.fua === true;
    return this.#ranges.run(offset, offset + length, () => {
      if (length <= this.#longest && fua === options.fua) return this.#write(source, offset, fua);
      return this.#running.track(this.#writeParts(source, offset, fua, options.fua));
    });
  }

  flush(): MaybePromise<void> {
    this.#running.check('flush', 0, 0);
    return this.#hasCache && this.#syncs ? this.#running.track(this.#sync()) : undefined;
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    this.#checkWritable('trim', offset, length);
    return this.#ranges.run(offset, offset + length, () =>
      this.#running.track(this.#trim(offset, length, options.fua)),
    );
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    this.#checkWritable('zero', offset, length);
    const fast = this.#writesSame && this.capabilities.fastZero && !options.noHole;
    if (options.fast && !fast) {
      throw new BlockError('ENOTSUP', 'zero', offset, length, 'the LUN cannot do it fast');
    }
    return this.#ranges.run(offset, offset + length, () =>
      this.#running.track(this.#zero(offset, length, options)),
    );
  }

  extents(offset: number, length: number, limit: number): MaybePromise<Extent[]> {
    this.#running.check('extents', offset, length);
    if (!this.facts.lbaStatus) return [{ offset, length, kind: 'data' }];
    return this.#running.track(this.#extents(offset, length, limit));
  }

  /** Waits for what runs, then logs out unless others use the sessions. */
  close(): Promise<void> {
    this.#closed ??= this.#running.close().then(() => {
      this.#paths.close();
      return this.#release();
    });
    return this.#closed;
  }

  /** At once: what runs without an answer fails with ESHUTDOWN as soon as its connection has ended. */
  abandon(): void {
    this.#paths.close();
  }

  #checkWritable(operation: BlockOperation, offset: number, length: number): void {
    this.#running.check(operation, offset, length);
    if (this.capabilities.write) return;
    throw new BlockError('EROFS', operation, offset, length, 'the LUN is read-only');
  }

  #read(target: Buffer, offset: number): Promise<void> {
    const { length } = target;
    const range = { lba: offset / this.#blockSize, blocks: length / this.#blockSize, fua: false };
    const op = this.facts.supports16 ? 'read-16' : 'read-10';
    return this.#run('read', offset, length, { op, ...range }, target, undefined);
  }

  #write(source: Buffer, offset: number, fua: boolean): Promise<void> {
    const { length } = source;
    const range = { lba: offset / this.#blockSize, blocks: length / this.#blockSize, fua };
    const op = this.facts.supports16 ? 'write-16' : 'write-10';
    return this.#run('write', offset, length, { op, ...range }, undefined, source);
  }

  #run(
    operation: BlockOperation,
    offset: number,
    length: number,
    cdb: Cdb,
    dataIn: Buffer | undefined,
    dataOut: Buffer | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#running.enter(operation, offset, length);
      const parts = { operation, offset, length, resolve, reject, running: this.#running };
      this.#paths.submit(new DeviceRequest(this.#paths, this.#lun, cdb, dataIn, dataOut, parts));
    });
  }

  async #writeParts(source: Buffer, offset: number, fua: boolean, stable: boolean): Promise<void> {
    await this.#inParts(offset, source.length, this.#longest, (at, length) =>
      this.#write(source.subarray(at - offset, at - offset + length), at, fua),
    );
    if (stable && !fua) await this.#sync();
  }

  async #sync(): Promise<void> {
    if (!this.#hasCache || !this.#syncs) return;
    const cdb = { op: 'synchronize-cache-10', ...WHOLE_DISK } as const;
    try {
      await this.#run('flush', 0, 0, cdb, undefined, undefined);
    } catch (error) {
      // A LUN that neither says that it has a cache nor knows how to flush one has none.
      const none = this.facts.mode?.writeCache === undefined && hasErrno(error, 'ENOTSUP');
      if (!none) throw error;
      this.#syncs = false;
    }
  }

  async #trim(offset: number, length: number, fua: boolean): Promise<void> {
    const { provisioning, limits } = this.facts;
    const most = (limits?.maximumUnmap ?? 0) * this.#blockSize;
    const part = Math.min(most === 0 ? UNMAP_BYTES : most, UNMAP_BYTES);
    if (provisioning?.unmap === true) {
      await this.#inParts(offset, length, part, (at, now) => {
        const range = { lba: at / this.#blockSize, blocks: now / this.#blockSize };
        const list = encodeUnmapList([range]);
        const cdb = { op: 'unmap', length: list.length } as const;
        return this.#run('trim', at, now, cdb, undefined, list);
      });
    } else await this.#writeSame('trim', offset, length, true);
    if (fua) await this.#sync();
  }

  async #zero(offset: number, length: number, options: ZeroOptions): Promise<void> {
    const unmap = !options.noHole && unmapsToZeroes(this.facts);
    if (!(await this.#tryWriteSame(offset, length, unmap, options.fast))) {
      const longest = Math.min(this.#longest, length);
      const zeroes = Buffer.alloc(longest);
      await this.#inParts(offset, length, longest, (at, now) =>
        this.#write(now === longest ? zeroes : zeroes.subarray(0, now), at, false),
      );
    }
    if (options.fua) await this.#sync();
  }

  /** @returns false: the LUN cannot, and zeroes have to be written */
  async #tryWriteSame(
    offset: number,
    length: number,
    unmap: boolean,
    fast: boolean,
  ): Promise<boolean> {
    if (!this.#writesSame) return false;
    try {
      await this.#writeSame('zero', offset, length, unmap);
      return true;
    } catch (error) {
      if (!hasErrno(error, 'ENOTSUP') && !hasErrno(error, 'EINVAL')) throw error;
      this.#writesSame = false;
      if (!fast) return false;
      throw new BlockError('ENOTSUP', 'zero', offset, length, 'the LUN does not know WRITE SAME');
    }
  }

  /** NDOB is newer than many arrays, and one that does not know it would wait for data: one block of zeroes costs nothing. */
  #writeSame(
    operation: 'trim' | 'zero',
    offset: number,
    length: number,
    unmap: boolean,
  ): Promise<void> {
    const most = (this.facts.limits?.maximumWriteSame ?? 0) * this.#blockSize;
    const part = Math.min(most === 0 ? WRITE_SAME_BYTES : most, WRITE_SAME_BYTES);
    return this.#inParts(offset, length, part, (at, now) => {
      const range = { lba: at / this.#blockSize, blocks: now / this.#blockSize };
      const cdb = { op: 'write-same-16', unmap, ndob: false, ...range } as const;
      return this.#run(operation, at, now, cdb, undefined, this.#zeroBlock);
    });
  }

  async #extents(offset: number, length: number, limit: number): Promise<Extent[]> {
    const wanted = Math.min(limit + 1, LBA_STATUS_AT_ONCE);
    const answer = Buffer.alloc(8 + 16 * wanted);
    const cdb = {
      op: 'get-lba-status',
      lba: offset / this.#blockSize,
      allocation: answer.length,
    } as const;
    await this.#run('extents', offset, length, cdb, answer, undefined);
    const found: Extent[] = [];
    const end = offset + length;
    let at = offset;
    for (const { lba, blocks, status } of decodeLbaStatus(answer)) {
      const stop = Math.min(end, (lba + blocks) * this.#blockSize);
      // Whatever it leaves out, or says out of order, may hold data.
      if (lba * this.#blockSize > at || stop <= at) break;
      if (!appendExtent(found, at, stop - at, this.#kindOf(status), limit)) break;
      at = stop;
    }
    return found.length === 0 ? [{ offset, length, kind: 'data' }] : found;
  }

  #kindOf(status: number): ExtentKind {
    if (!readsZeroes(this.facts)) return 'data';
    return status === 1 ? 'hole' : status === 2 ? 'zero' : 'data';
  }

  /** A few at a time, so that a long one does not hold everybody else up. */
  #inParts(
    offset: number,
    length: number,
    part: number,
    run: (offset: number, length: number) => Promise<void>,
  ): Promise<void> {
    if (length <= part) return run(offset, length);
    let at = offset;
    const lane = async (): Promise<void> => {
      while (at < offset + length) {
        const [start, now] = [at, Math.min(part, offset + length - at)];
        at += now;
        await run(start, now);
      }
    };
    const lanes = Array.from({ length: PARTS_AT_ONCE }, lane);
    // All of them end before the caller has its buffer back, whichever failed.
    const settled = Promise.allSettled(lanes).then(() => Promise.all(lanes));
    return this.#running.track(settled.then(() => undefined));
  }
}

const readsZeroes = ({ capacity, provisioning }: LunFacts): boolean =>
  capacity.readsZeroes || provisioning?.readsZeroes === true;

const unmapsToZeroes = (facts: LunFacts): boolean =>
  facts.provisioning?.writeSameUnmap === true && readsZeroes(facts);

const trims = ({ capacity, provisioning }: LunFacts): boolean =>
  capacity.thin && (provisioning?.unmap === true || provisioning?.writeSameUnmap === true);

const hasErrno = (error: unknown, errno: 'ENOTSUP' | 'EINVAL'): boolean =>
  error instanceof BlockError && error.errno === errno;
