/** Disks to be exported, and what is made of them. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { MemoryDevice, PLAIN, type ReadableBlockDevice } from '../../../../src/block/index.ts';
import {
  type ExportOptions,
  type ExportSource,
  type ExportStream,
  exportStream,
} from '../../../../src/vdisk/export/index.ts';
import { bitmapBytes, CHUNK_BYTES, markChunk } from '../../../../src/vdisk/manifest/index.ts';
import { seededRandom } from '../../../support/seed.ts';

const NOTHING = Buffer.alloc(CHUNK_BYTES);

/** Present are the chunks that are not all zeroes, as in a manifest. */
export function sourceOf(content: Buffer, device?: ReadableBlockDevice): ExportSource {
  const presentChunks = Buffer.alloc(bitmapBytes(content.length));
  const memory = new MemoryDevice({ size: content.length });
  for (let at = 0; at < content.length; at += CHUNK_BYTES) {
    const chunk = content.subarray(at, at + CHUNK_BYTES);
    if (chunk.equals(NOTHING.subarray(0, chunk.length))) continue;
    markChunk(presentChunks, at / CHUNK_BYTES);
    memory.write(chunk, at, PLAIN);
  }
  return {
    size: content.length,
    device: device ?? memory,
    presentChunks,
    contentId: createHash('sha256').update(content).digest('hex'),
  };
}

/** A map that calls every chunk present: true of none that we write, and still allowed. */
export function overstated(source: ExportSource): ExportSource {
  return { ...source, presentChunks: Buffer.alloc(source.presentChunks.length, 0xff) };
}

export type Chosen = Omit<ExportOptions, 'signal' | 'progress'> & Partial<ExportOptions>;

/** Options with nothing to watch. */
export function options(chosen: Chosen): ExportOptions {
  return { signal: new AbortController().signal, progress: () => undefined, ...chosen };
}

export async function collect(stream: ExportStream): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

export async function streamed(source: ExportSource, chosen: Chosen): Promise<Buffer> {
  return collect(await exportStream(source, options(chosen)));
}

/** One stretch of a disk: how long, and what it is filled with. */
interface Stretch {
  /** In sectors. */
  readonly length: number;
  readonly fill: 'zero' | 'text' | 'noise' | 'one';
}

const stretch: fc.Arbitrary<Stretch> = fc.record({
  length: fc.oneof(
    fc.integer({ min: 1, max: 16 }),
    fc.integer({ min: 100, max: 300 }),
    fc.integer({ min: 2000, max: 5000 }),
  ),
  fill: fc.constantFrom('zero', 'zero', 'text', 'noise', 'one'),
});

const SECTOR = 512;

function fill(target: Buffer, kind: Stretch['fill'], seed: number): void {
  switch (kind) {
    case 'zero':
      target.fill(0);
      break;
    case 'text':
      target.fill(`stretch ${seed} `);
      break;
    case 'noise': {
      const random = seededRandom(seed);
      for (let at = 0; at + 4 <= target.length; at += 4) {
        target.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
      }
      break;
    }
    case 'one': // a single byte: the stretch is not zero
      target.fill(0);
      target[target.length - 1] = 1;
      break;
  }
}

function paint(stretches: readonly Stretch[]): Buffer {
  const sectors = stretches.reduce((sum, { length }) => sum + length, 0);
  const disk = Buffer.alloc(sectors * SECTOR);
  let at = 0;
  for (const [index, { length, fill: kind }] of stretches.entries()) {
    fill(disk.subarray(at, at + length * SECTOR), kind, index);
    at += length * SECTOR;
  }
  return disk;
}

/** Disks of a few MiB: any number of sectors, with zero runs of every length. */
export const anyDisk: fc.Arbitrary<Buffer> = fc
  .array(stretch, { minLength: 1, maxLength: 8 })
  .map(paint);

/** A disk and one that it became: changed here and there, perhaps grown. */
export const anyPair: fc.Arbitrary<{ readonly parent: Buffer; readonly child: Buffer }> = fc
  .record({
    parent: anyDisk,
    grown: fc.option(anyDisk, { nil: Buffer.alloc(0) }),
    changes: fc.array(fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), stretch }), {
      minLength: 1,
      maxLength: 5,
    }),
  })
  .map(({ parent, grown, changes }) => {
    const child = Buffer.concat([parent, grown]);
    for (const [index, change] of changes.entries()) {
      const start = Math.floor((change.at * child.length) / SECTOR) * SECTOR;
      const end = Math.min(start + change.stretch.length * SECTOR, child.length);
      fill(child.subarray(start, end), change.stretch.fill, 1000 + index);
    }
    return { parent, child };
  })
  .filter(({ parent, child }) => !parent.equals(child));
