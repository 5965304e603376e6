/** A transfer takes a few windows of memory, however large the disk is and however slow the other side. */
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { type BlockDevice, MemoryDevice } from '../../../../src/block/index.ts';
import type { ImageFormat } from '../../../../src/xenapi/images/index.ts';
import { exportPieces, imported, M } from './transfers.ts';

const SIZE = 400 * M;
/** Much more than a transfer needs, and much less than the disk. */
const MOST_BYTES = 48 * M;

/** Full, and takes everything: nothing of it is in memory. */
class EndlessDevice extends MemoryDevice {
  bytesWritten = 0;
  readonly #piece = Buffer.alloc(2 * M, 'endless ');

  override read(target: Buffer, offset: number): void {
    for (let done = 0; done < target.length; done += this.#piece.length) {
      this.#piece.copy(target, done);
    }
    target.writeUInt32LE(offset % 2 ** 32, 0);
  }
  override write(source: Buffer): void {
    this.bytesWritten += source.length;
  }
  override extents(
    offset: number,
    length: number,
  ): { offset: number; length: number; kind: 'data' }[] {
    return [{ offset, length, kind: 'data' }];
  }
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/** Collecting takes long: not for every piece. */
const LOOK_EVERY = 4;

/** What buffers that somebody still has take, at its highest: what is garbage goes when V8 likes. */
class Peak {
  readonly #before = heldBytes();
  #looks = 0;
  bytes = 0;

  look(): void {
    this.#looks += 1;
    if (this.#looks % LOOK_EVERY !== 0) return;
    this.bytes = Math.max(this.bytes, heldBytes() - this.#before);
  }
}

function heldBytes(): number {
  collect();
  return process.memoryUsage().arrayBuffers;
}

async function* watched(pieces: AsyncIterable<Buffer>, peak: Peak): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    peak.look();
    await setImmediate(); // as a socket does that is full
    yield piece;
  }
  expect(bytes).toBeGreaterThan(SIZE);
}

describe('the memory of a transfer', () => {
  it.each<ImageFormat>(['vhd', 'qcow2'])('%s: of a whole disk, both ways', async (format) => {
    const peak = new Peak();
    const disk: BlockDevice = new EndlessDevice({ size: SIZE });
    const target = new EndlessDevice({ size: SIZE });
    await imported(format, watched(exportPieces(format, { disk }), peak), target, {
      isZeroed: true,
    });
    expect(target.bytesWritten).toBe(SIZE);
    expect(peak.bytes).toBeLessThan(MOST_BYTES);
  });
});
