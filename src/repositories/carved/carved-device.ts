/**
 * A volume of a carved device.
 *
 * A block that is where it was costs a look at the map in shared memory and the device's own request; the control
 * thread is asked only to map extents at a first write and to free them. Every request counts itself while it uses what
 * it looked up (shared-words.ts), and never waits for the control thread meanwhile.
 *
 * Changes that wait for the control thread hold their range (RangeLock), so that a later overlapping change of this
 * handle does not overtake them; those that the device takes at once go straight to it, which keeps their order.
 */
import { chain, Gather, isPromise, type MaybePromise, RangeLock } from '../../base/index.ts';
import {
  appendExtent,
  appendZeroes,
  type BlockDevice,
  type Capabilities,
  EXTENT_SCAN_BYTES,
  type Extent,
  FUA,
  Gate,
  type Geometry,
  type Loan,
  PLAIN,
  type WriteOptions,
  type ZeroOptions,
} from '../../block/index.ts';
import { BlockError, type BlockOperation } from '../../errors/index.ts';
import type { AskControl } from '../adapter.ts';
import type { DeviceReach } from './device-reach.ts';
import { ExtentMap } from './extent-map.ts';
import { bytesLeft, forEachPiece } from './extent-pieces.ts';
import { ExtentRequests } from './extent-requests.ts';
import type { OwnerLease } from './owner-lease.ts';
import type { CarvedQuestion, FreedExtents, OpenedVolume } from './questions.ts';
import { inWordsOf } from './request-errors.ts';
import { type DeviceWords, type InFlight, VolumeWords } from './shared-words.ts';

export interface CarvedDeviceOptions {
  readonly volume: string;
  readonly opened: OpenedVolume;
  /** Of this thread, for all volumes. Not closed with the volume. */
  readonly device: BlockDevice;
  readonly reach: DeviceReach;
  readonly words: DeviceWords;
  readonly lease: OwnerLease;
  /** Has the control thread look whether the device is still ours, once for all who wait. */
  readonly renewLease: () => Promise<void>;
  readonly ask: AskControl;
  readonly onClosed: () => Promise<void>;
}

export class CarvedDevice implements BlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities;
  readonly #options: CarvedDeviceOptions;
  readonly #device: BlockDevice;
  readonly #reach: DeviceReach;
  readonly #words: VolumeWords;
  readonly #map: ExtentMap;
  readonly #requests: ExtentRequests;
  readonly #extentSize: number;
  readonly #dataStart: number;
  readonly #thin: boolean;
  readonly #gate = new Gate();
  readonly #ranges = new RangeLock();

  constructor(options: CarvedDeviceOptions) {
    const { opened, device } = options;
    this.#options = options;
    this.#device = device;
    this.#reach = options.reach;
    this.#words = new VolumeWords(opened.volumeWords);
    this.#map = new ExtentMap(opened.segments);
    this.#requests = new ExtentRequests(options.volume, this.#map, options.ask);
    this.#extentSize = opened.extentSize;
    this.#dataStart = opened.dataStart;
    this.#thin = opened.thin;
    this.geometry = Object.freeze({ ...device.geometry, size: opened.size });
    this.capabilities = Object.freeze({
      ...device.capabilities,
      fua: true, // by a flush where the device has none
      trim: opened.thin,
      extents: true,
    });
  }

  read(target: Buffer, offset: number): MaybePromise<void> {
    const { length } = target;
    this.#gate.check('read', offset, length);
    if (this.#fits(offset, length)) {
      return this.#gate.track(this.#readPiece(target, offset));
    }
    const read = this.#inPieces(offset, offset + length, (at, pieceLength) =>
      this.#readPiece(target.subarray(at - offset, at - offset + pieceLength), at),
    );
    return this.#gate.track(read);
  }

  lend(offset: number, length: number): Loan | undefined {
    this.#gate.check('read', offset, length);
    const inFlight = this.#enter('read', offset, length);
    const loans: Loan[] = [];
    const chunks: Buffer[] = [];
    let whole = true;
    try {
      forEachPiece(offset, offset + length, this.#extentSize, (at, pieceLength) => {
        if (!whole) return;
        const place = this.#locate(at);
        const seen = place >= 0 && place + pieceLength <= this.#reach.end;
        const loan = seen ? this.#device.lend(place, pieceLength) : undefined;
        if (place < 0) appendZeroes(chunks, pieceLength);
        else if (loan === undefined) whole = false;
        else {
          loans.push(loan);
          for (const chunk of loan.chunks) chunks.push(chunk);
        }
      });
    } finally {
      this.#words.leave(inFlight);
    }
    const release = (): void => {
      for (const loan of loans.splice(0)) loan.release();
    };
    if (whole) return { chunks, release };
    release();
    return undefined;
  }

  cache(offset: number, length: number): MaybePromise<void> {
    this.#gate.check('cache', offset, length);
    if (!this.#device.capabilities.cache) return undefined;
    const cached = this.#inPieces(offset, offset + length, (at, pieceLength) =>
      this.#ifMapped('cache', at, pieceLength, (place) => this.#device.cache(place, pieceLength)),
    );
    return this.#gate.track(cached);
  }

  extents(offset: number, length: number, limit: number): Extent[] {
    this.#gate.check('extents', offset, length);
    const found: Extent[] = [];
    const end = Math.min(offset + length, offset + EXTENT_SCAN_BYTES);
    for (let at = offset; at < end; ) {
      const piece = Math.min(bytesLeft(at, this.#extentSize), end - at);
      if (!appendExtent(found, at, piece, this.#locate(at) < 0 ? 'hole' : 'data', limit)) break;
      at += piece;
    }
    return found;
  }

  write(source: Buffer, offset: number, options: WriteOptions): MaybePromise<void> {
    const { length } = source;
    this.#gate.check('write', offset, length);
    const { fua } = options;
    if (this.#ranges.idle && this.#fits(offset, length) && this.#options.lease.holds()) {
      const written = this.#writeMapped(source, offset, fua);
      if (written !== false) return this.#gate.track(written);
    }
    const written = this.#change(offset, length, () =>
      this.#inPieces(offset, offset + length, (at, pieceLength) =>
        this.#writePiece(source.subarray(at - offset, at - offset + pieceLength), at, fua),
      ),
    );
    return this.#gate.track(written);
  }

  flush(): MaybePromise<void> {
    this.#gate.check('flush', 0, 0);
    return this.#gate.track(this.#flush());
  }

  trim(offset: number, length: number, options: WriteOptions): MaybePromise<void> {
    this.#gate.check('trim', offset, length);
    // A thick volume keeps what it was given.
    const trimmed = !this.#thin
      ? undefined
      : this.#change(offset, length, () =>
          this.#clear(offset, length, (at, pieceLength) =>
            this.#ifMapped('trim', at, pieceLength, (place) =>
              this.#device.capabilities.trim
                ? this.#device.trim(place, pieceLength, PLAIN)
                : undefined,
            ),
          ),
        );
    return this.#gate.track(options.fua ? chain(trimmed, () => this.#flush()) : trimmed);
  }

  zero(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    this.#gate.check('zero', offset, length);
    const { fast, fua } = options;
    const noHole = options.noHole || !this.#thin;
    if (fast && (noHole || !this.#device.capabilities.fastZero)) {
      throw new BlockError('ENOTSUP', 'zero', offset, length, 'not faster than writing zeroes');
    }
    const zeroed = this.#change(offset, length, () => {
      const zeroPiece = (at: number, pieceLength: number): MaybePromise<void> =>
        this.#zeroPiece(at, pieceLength, { fua: false, fast, noHole });
      if (!noHole) return this.#clear(offset, length, zeroPiece);
      return this.#inPieces(offset, offset + length, zeroPiece);
    });
    return this.#gate.track(fua ? chain(zeroed, () => this.#flush()) : zeroed);
  }

  close(): Promise<void> {
    return this.#gate.close(async () => {
      this.#words.addOpen(-1);
      await this.#options.onClosed();
    });
  }

  /** Runs a change in its turn, when the device is known to be ours. */
  #change(offset: number, length: number, work: () => MaybePromise<void>): MaybePromise<void> {
    const { lease, renewLease } = this.#options;
    return this.#ranges.run(offset, offset + length, () =>
      lease.holds() ? work() : renewLease().then(work),
    );
  }

  #flush(): MaybePromise<void> {
    const { version } = this.#words;
    return chain(this.#device.flush(), () => this.#words.flushed(version));
  }

  /** Counts a request. @throws BlockError ESTALE, EIO when it must not be made */
  #enter(operation: BlockOperation, offset: number, length: number): InFlight {
    const { state } = this.#options.words;
    if (state === 'fenced') {
      const detail = 'another server has taken the device over, or it was detached';
      throw new BlockError('ESTALE', operation, offset, length, detail);
    }
    if (state === 'halted' && operation !== 'read' && operation !== 'cache') {
      throw new BlockError('EIO', operation, offset, length, 'the metadata cannot be written');
    }
    return this.#words.enter();
  }

  /** Whether the range lies in one extent. */
  #fits(offset: number, length: number): boolean {
    return length <= bytesLeft(offset, this.#extentSize);
  }

  /** Where the byte lies on the device, or -1. It stays so between enter and leave only. */
  #locate(offset: number): number {
    const index = Math.floor(offset / this.#extentSize);
    const entry = this.#map.get(index);
    if (entry === 0) return -1;
    return this.#dataStart + (entry - 1) * this.#extentSize + (offset - index * this.#extentSize);
  }

  /** Runs `work` on the part of [offset, end) in each extent that it touches, all at the same time. */
  #inPieces(
    offset: number,
    end: number,
    work: (at: number, length: number) => MaybePromise<void>,
  ): MaybePromise<void> {
    const gather = new Gather();
    forEachPiece(offset, end, this.#extentSize, (at, length) => gather.run(() => work(at, length)));
    return gather.settle();
  }

  /** Runs `use` on the place of a piece while it is counted; `otherwise` where it is unmapped. */
  #ifMapped(
    operation: BlockOperation,
    offset: number,
    length: number,
    use: (place: number) => MaybePromise<void>,
    otherwise?: () => void,
  ): MaybePromise<void> {
    const inFlight = this.#enter(operation, offset, length);
    let result: MaybePromise<void> | undefined;
    let unseen = false;
    try {
      const place = this.#locate(offset);
      if (place < 0) otherwise?.();
      else if (place + length <= this.#reach.end) result = use(place);
      else unseen = true;
    } catch (error) {
      this.#words.leave(inFlight);
      throw error;
    }
    const left = this.#leaveAfter(inFlight, result);
    if (!unseen) return left;
    return this.#see(operation, offset, length).then(() =>
      this.#ifMapped(operation, offset, length, use, otherwise),
    );
  }

  /** Waits until this thread has seen the place of the range, outside of any count. @returns false: it is not mapped */
  async #see(operation: BlockOperation, offset: number, length: number): Promise<boolean> {
    const place = this.#locate(offset);
    if (place < 0) return false;
    await inWordsOf(operation, offset, length, this.#reach.to(place + length));
    return true;
  }

  #leaveAfter(inFlight: InFlight, result: MaybePromise<void>): MaybePromise<void> {
    if (isPromise(result)) return result.finally(() => this.#words.leave(inFlight));
    this.#words.leave(inFlight);
    return undefined;
  }

  #readPiece(target: Buffer, offset: number): MaybePromise<void> {
    return this.#ifMapped(
      'read',
      offset,
      target.length,
      (place) => this.#device.read(target, place),
      () => target.fill(0),
    );
  }

  /** @returns false: it is not mapped, or this thread has not seen its place */
  #writeMapped(source: Buffer, offset: number, fua: boolean): MaybePromise<void> | false {
    const inFlight = this.#enter('write', offset, source.length);
    let written: MaybePromise<void>;
    let mustFlush = false;
    try {
      const place = this.#locate(offset);
      if (place < 0 || place + source.length > this.#reach.end) {
        this.#words.leave(inFlight);
        return false;
      }
      // After the look at the map: shared-words.ts says why.
      mustFlush = fua && !(this.#device.capabilities.fua && this.#words.isStable);
      written = this.#device.write(source, place, fua && !mustFlush ? FUA : PLAIN);
    } catch (error) {
      this.#words.leave(inFlight);
      throw error;
    }
    const settled = this.#leaveAfter(inFlight, written);
    return mustFlush ? chain(settled, () => this.#flush()) : settled;
  }

  #writePiece(source: Buffer, offset: number, fua: boolean): MaybePromise<void> {
    const written = this.#writeMapped(source, offset, fua);
    return written === false ? this.#writeFirst(source, offset, fua) : written;
  }

  async #writeFirst(source: Buffer, offset: number, fua: boolean): Promise<void> {
    for (;;) {
      if (!(await this.#see('write', offset, source.length))) {
        await this.#want('write', offset, source.length);
      }
      const written = this.#writeMapped(source, offset, fua);
      if (written !== false) return await written;
    }
  }

  #zeroPiece(offset: number, length: number, options: ZeroOptions): MaybePromise<void> {
    let unmapped = false;
    const zeroed = this.#ifMapped(
      'zero',
      offset,
      length,
      (place) => this.#device.zero(place, length, options),
      () => {
        unmapped = true;
      },
    );
    // An extent that is mapped now reads as zeroes, unless somebody wrote to it since.
    return unmapped && options.noHole ? this.#want('zero', offset, length) : zeroed;
  }

  #want(operation: BlockOperation, offset: number, length: number): Promise<void> {
    const index = Math.floor(offset / this.#extentSize);
    return inWordsOf(operation, offset, length, this.#requests.want(index));
  }

  /** Frees the whole extents of the range and runs `clearPiece` on what is left of it. */
  #clear(
    offset: number,
    length: number,
    clearPiece: (at: number, length: number) => MaybePromise<void>,
  ): MaybePromise<void> {
    const [{ size }, end] = [this.geometry, offset + length];
    const first = Math.ceil(offset / this.#extentSize);
    const last = (end === size ? Math.ceil : Math.floor)(end / this.#extentSize);
    if (first >= last) return this.#inPieces(offset, end, clearPiece);
    const gather = new Gather();
    gather.run(() => this.#inPieces(offset, first * this.#extentSize, clearPiece));
    gather.run(() => this.#inPieces(last * this.#extentSize, end, clearPiece));
    const mapped = this.#map.nextMapped(first, last);
    if (mapped < last) {
      gather.run(async () => {
        // What the control thread did not free is cleared like a part of an extent.
        const freed = mapped + (await this.#free(mapped, last - mapped, size));
        const rest = Math.min(end, last * this.#extentSize);
        await this.#inPieces(freed * this.#extentSize, rest, clearPiece);
      });
    }
    return gather.settle();
  }

  async #free(first: number, count: number, size: number): Promise<number> {
    const { ask, volume } = this.#options;
    const question: CarvedQuestion = { kind: 'free', volume, first, count, size };
    return ((await ask(question)) as FreedExtents).count;
  }
}
