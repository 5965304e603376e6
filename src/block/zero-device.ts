import type { Capabilities, Extent, Geometry, Loan, ReadableBlockDevice } from './block-device.ts';
import { Gate, nothingToClose } from './gate.ts';
import { MAXIMUM_IO_BYTES } from './limits.ts';
import { lendZeroes } from './zeroes.ts';

const CAPABILITIES: Capabilities = Object.freeze({
  write: false,
  flush: false,
  fua: false,
  trim: false,
  zero: false,
  fastZero: false,
  cache: true,
  extents: true,
  multiConn: true,
  rotational: false,
});

/** Reads as zeroes: the parent of an overlay that has none. Read-only. */
export class ZeroDevice implements ReadableBlockDevice {
  readonly geometry: Geometry;
  readonly capabilities: Capabilities = CAPABILITIES;
  readonly #gate = new Gate();

  /** @param size bytes */
  constructor(size: number) {
    this.geometry = Object.freeze({
      size,
      minimumIo: 1,
      preferredIo: 4096,
      maximumIo: MAXIMUM_IO_BYTES,
    });
  }

  read(target: Buffer, offset: number): void {
    this.#gate.check('read', offset, target.length);
    target.fill(0);
  }

  lend(offset: number, length: number): Loan {
    this.#gate.check('read', offset, length);
    return lendZeroes(length);
  }

  cache(offset: number, length: number): void {
    this.#gate.check('cache', offset, length);
  }

  extents(offset: number, length: number, _limit: number): Extent[] {
    this.#gate.check('extents', offset, length);
    return [{ offset, length, kind: 'hole' }];
  }

  close(): Promise<void> {
    return this.#gate.close(nothingToClose);
  }
}
