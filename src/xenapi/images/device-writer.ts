/**
 * Where an import writes: in windows, several at once, whatever the device's units are. Zeroes become holes where the
 * device can make them, and are not written where it has none but zeroes already.
 *
 * Everything is on its way in the order it was given where it overlaps; `finish` settles when all of it is on stable
 * storage.
 */
import { isPromise } from '../../base/index.ts';
import { type BlockDevice, PLAIN, PLAIN_ZERO, ZEROES } from '../../block/index.ts';
import type { Fault } from '../../errors/index.ts';
import { isZero } from '../../vdisk/index.ts';
import { extentsIn } from './extents-in.ts';
import { invalidImage } from './image-fault.ts';
import {
  CLEAR_BYTES_MAX,
  IMPORT_FLUSH_BYTES,
  IMPORT_IN_FLIGHT_BYTES,
  ZERO_UNIT_BYTES,
} from './limits.ts';

interface Range {
  readonly start: number;
  readonly end: number;
}

interface Running extends Range {
  readonly settled: Promise<void>;
}

export class DeviceWriter {
  readonly size: number;
  readonly #device: BlockDevice;
  readonly #isZeroed: boolean;
  readonly #unit: number;
  readonly #running = new Set<Running>();
  #runningBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  /** Zeroes that were given last, not cleared yet: more may follow. */
  #zeroes: Range | undefined;
  #unflushed = 0;

  /** @param isZeroed the device is known to be all zeroes, and nothing is written to it twice */
  constructor(device: BlockDevice, isZeroed: boolean) {
    this.#device = device;
    this.#isZeroed = isZeroed;
    this.size = device.geometry.size;
    this.#unit = device.geometry.minimumIo;
  }

  /**
   * Takes the buffer over. May settle before the bytes are written: what fails then, the next call throws.
   * @throws BlockError; Fault IMAGE_INVALID beyond the end
   */
  async write(bytes: Buffer, offset: number): Promise<void> {
    const end = offset + bytes.length;
    if (end > this.size) throw this.#beyond(end);
    if (offset % this.#unit !== 0 || end % this.#unit !== 0) {
      await this.#writeParts(bytes, offset);
      return;
    }
    for (let at = offset; at < end; ) {
      const zero = this.#isZeroUnit(bytes, offset, at);
      let next = this.#unitEnd(at, end);
      while (next < end && this.#isZeroUnit(bytes, offset, next) === zero) {
        next = this.#unitEnd(next, end);
      }
      if (zero) await this.clear(at, next - at);
      else await this.#issue(bytes.subarray(at - offset, next - offset), at);
      at = next;
    }
  }

  /**
   * As `write`; beyond the end there may be zeroes: formats round sizes up.
   * @throws as `write`, when there is something else
   */
  async writeInside(bytes: Buffer, offset: number): Promise<void> {
    const inside = Math.max(0, Math.min(bytes.length, this.size - offset));
    for (let at = inside; at < bytes.length; at += ZEROES.length) {
      if (isZero(bytes, at, Math.min(at + ZEROES.length, bytes.length))) continue;
      throw this.#beyond(offset + bytes.length);
    }
    if (inside > 0) await this.write(bytes.subarray(0, inside), offset);
  }

  /** The range reads as zeroes afterwards; what lies beyond the end of the disk does not matter. @throws BlockError */
  async clear(offset: number, length: number): Promise<void> {
    const end = Math.min(offset + length, this.size);
    if (this.#isZeroed) return;
    for (let at = offset; at < end; ) {
      const last = this.#zeroes;
      const joins = last !== undefined && last.end === at && at - last.start < CLEAR_BYTES_MAX;
      const start = joins ? last.start : at;
      if (!joins) await this.#clearPending();
      at = Math.min(end, start + CLEAR_BYTES_MAX);
      this.#zeroes = { start, end: at };
    }
  }

  /** @throws BlockError of whatever has not been thrown yet */
  async finish(): Promise<void> {
    await this.#clearPending();
    await this.#settle(0, this.size);
    await this.#flush();
  }

  /** What came before is kept as well as it can be, and nothing runs any more. */
  async giveUp(): Promise<void> {
    await this.finish().catch(() => undefined);
    while (this.#running.size > 0) await Promise.all([...this.#running].map((one) => one.settled));
  }

  #unitEnd(at: number, end: number): number {
    return Math.min(end, at + ZERO_UNIT_BYTES - (at % ZERO_UNIT_BYTES));
  }

  #isZeroUnit(bytes: Buffer, offset: number, at: number): boolean {
    const start = at - offset;
    return isZero(bytes, start, Math.min(bytes.length, this.#unitEnd(at, this.size) - offset));
  }

  /** Aligned, and not all zeroes. */
  async #issue(bytes: Buffer, offset: number): Promise<void> {
    await this.#clearPending();
    const most = Math.min(this.#device.geometry.maximumIo, IMPORT_IN_FLIGHT_BYTES);
    for (let done = 0; done < bytes.length; done += most) {
      const piece = bytes.subarray(done, done + most);
      while (this.#runningBytes > 0 && this.#runningBytes + piece.length > IMPORT_IN_FLIGHT_BYTES) {
        await Promise.race([...this.#running].map((one) => one.settled));
      }
      this.#throwFailure();
      this.#start(piece, offset + done);
      this.#unflushed += piece.length;
    }
    if (this.#unflushed < IMPORT_FLUSH_BYTES) return;
    await this.#settle(0, this.size);
    await this.#flush();
  }

  #start(bytes: Buffer, offset: number): void {
    const result = this.#device.write(bytes, offset, PLAIN);
    if (!isPromise(result)) return;
    const settled = result
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#running.delete(running);
        this.#runningBytes -= bytes.length;
      });
    const running: Running = { start: offset, end: offset + bytes.length, settled };
    this.#running.add(running);
    this.#runningBytes += bytes.length;
  }

  /** Ranges that are not of whole units: what is around them is kept. */
  async #writeParts(bytes: Buffer, offset: number): Promise<void> {
    const unit = this.#unit;
    const end = offset + bytes.length;
    const start = Math.floor(offset / unit) * unit;
    const stop = Math.ceil(end / unit) * unit;
    await this.#clearPending();
    await this.#settle(start, stop);
    const whole = Buffer.allocUnsafe(stop - start);
    await this.#device.read(whole.subarray(0, unit), start);
    if (stop - start > unit) {
      await this.#device.read(whole.subarray(whole.length - unit), stop - unit);
    }
    bytes.copy(whole, offset - start);
    await this.write(whole, start);
  }

  async #clearPending(): Promise<void> {
    const zeroes = this.#zeroes;
    if (zeroes === undefined) return;
    this.#zeroes = undefined;
    await this.#settle(zeroes.start, zeroes.end);
    for await (const { start, end } of this.#dataIn(zeroes)) await this.#zero(start, end);
  }

  /** Where the device may hold something else than zeroes. */
  async *#dataIn({ start, end }: Range): AsyncGenerator<Range> {
    if (!this.#device.capabilities.extents) {
      yield { start, end };
      return;
    }
    const unit = this.#unit;
    for await (const extents of extentsIn(this.#device, start, end)) {
      for (const { offset, length, kind } of extents) {
        if (kind !== 'data') continue;
        yield {
          start: Math.max(start, Math.floor(offset / unit) * unit),
          end: Math.min(end, Math.ceil((offset + length) / unit) * unit),
        };
      }
    }
  }

  async #zero(start: number, end: number): Promise<void> {
    if (start % this.#unit !== 0 || end % this.#unit !== 0) {
      await this.#zeroParts(start, end);
      return;
    }
    if (this.#device.capabilities.zero) {
      await this.#device.zero(start, end - start, PLAIN_ZERO);
      this.#unflushed += 1;
      return;
    }
    const most = Math.min(ZEROES.length, this.#device.geometry.maximumIo);
    for (let at = start; at < end; at += most) {
      await this.#device.write(ZEROES.subarray(0, Math.min(most, end - at)), at, PLAIN);
      this.#unflushed += most;
    }
  }

  /** The units at the edges hold something besides. */
  async #zeroParts(start: number, end: number): Promise<void> {
    const unit = this.#unit;
    for (let at = start; at < end; ) {
      const unitStart = Math.floor(at / unit) * unit;
      const inner = Math.floor(end / unit) * unit;
      if (at === unitStart && inner > at) {
        await this.#zero(at, inner);
        at = inner;
        continue;
      }
      const whole = Buffer.allocUnsafe(unit);
      const stop = Math.min(end, unitStart + unit);
      await this.#device.read(whole, unitStart);
      whole.fill(0, at - unitStart, stop - unitStart);
      await this.#device.write(whole, unitStart, PLAIN);
      this.#unflushed += unit;
      at = stop;
    }
  }

  /** Waits for what runs in the range. @throws BlockError */
  async #settle(start: number, end: number): Promise<void> {
    for (const one of [...this.#running]) {
      if (one.start < end && one.end > start) await one.settled;
    }
    this.#throwFailure();
  }

  async #flush(): Promise<void> {
    if (this.#unflushed === 0) return;
    this.#unflushed = 0;
    if (this.#device.capabilities.flush) await this.#device.flush();
  }

  #beyond(end: number): Fault {
    return invalidImage('end of the data', end, `at most ${this.size}, where the disk ends`);
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
