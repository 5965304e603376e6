/** Truncated, flipped and random images: a Fault or a disk, never a crash, a hang or another error. */
import { describe, expect, it } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { MemoryFiles } from './memory-files.ts';
import { type Cluster, qcow2Image } from './qcow2-images.ts';
import { open } from './read-image.ts';
import { vhdImage } from './vhd-images.ts';

const K = 1024;
const KNOWN = new Set([
  'IMAGE_INVALID',
  'IMAGE_UNSUPPORTED',
  'BACKING_FILE_MISSING',
  'TOOL_MISSING',
]);
const CLUSTERS = new Map<number, Cluster>([
  [0, { kind: 'data', bytes: Buffer.alloc(4 * K, 'data') }],
  [1, { kind: 'compressed', bytes: Buffer.alloc(4 * K, 'packed') }],
  [2, { kind: 'zero' }],
]);
const SIZE = 64 * K;
const BLOCKS = new Map([[1, { bytes: Buffer.alloc(4 * K, 'block') }]]);
const IMAGES: Readonly<Record<string, Buffer>> = {
  zlib: qcow2Image({ size: SIZE, clusters: CLUSTERS, clusterBits: 12 }),
  zstd: qcow2Image({ size: SIZE, clusters: CLUSTERS, clusterBits: 12, zstd: true }),
  backed: qcow2Image({
    size: SIZE,
    clusters: CLUSTERS,
    clusterBits: 12,
    backing: 'base',
    backingFormat: 'raw',
  }),
  dynamic: vhdImage({
    kind: 'dynamic',
    size: SIZE,
    uniqueId: 'ab'.repeat(16),
    blockBytes: 4 * K,
    blocks: BLOCKS,
  }),
  differencing: vhdImage({
    kind: 'differencing',
    size: SIZE,
    uniqueId: 'cd'.repeat(16),
    parentId: 'ab'.repeat(16),
    blockBytes: 4 * K,
    blocks: BLOCKS,
    parentName: 'dynamic',
    locators: [{ platform: 'W2ru', text: '.\\dynamic' }],
  }),
};
/** What a reader may look at of one hostile image of some 30 KiB. */
const READ_BYTES_MAX = 64 * 1024 * K;

/** Reads the beginning and the end of whatever it says it is; true when that went well. */
async function survives(files: MemoryFiles, path: string): Promise<boolean> {
  files.bytesRead = 0;
  try {
    const reader = await open(files, path);
    try {
      const target = Buffer.alloc(Math.min(reader.size, 80 * K));
      for (const offset of [0, reader.size - target.length]) {
        if (target.length > 0) await reader.run(offset, target.length);
        await reader.read(target, offset);
      }
    } finally {
      await reader.close();
    }
    return true;
  } catch (error) {
    if (!(error instanceof Fault) || !KNOWN.has(error.code)) throw error;
    expect(error.message).toContain('/');
    return false;
  } finally {
    expect(files.open).toBe(0);
    expect(files.bytesRead).toBeLessThan(READ_BYTES_MAX);
  }
}

function filesWith(image: Buffer): MemoryFiles {
  return new MemoryFiles({
    '/base': Buffer.alloc(SIZE, 1),
    '/dynamic': IMAGES['dynamic'] ?? image,
    '/x': image,
  });
}

describe.each(Object.entries(IMAGES))('hostile %s', (_name, image) => {
  it('is whole before it is damaged', async () => {
    expect(await survives(filesWith(image), '/x')).toBe(true);
  });

  it('cut off anywhere', async () => {
    for (let length = 0; length < image.length; length += length < 2048 ? 13 : 509) {
      await survives(filesWith(image.subarray(0, length)), '/x');
    }
  });

  it(`with any bit of its tables flipped (seed ${SEED})`, async () => {
    const random = seededRandom();
    let refused = 0;
    for (let round = 0; round < 600; round += 1) {
      const bad = Buffer.from(image);
      const near = random() < 0.7 ? Math.min(2048, bad.length) : bad.length;
      const at = Math.floor(random() * near);
      bad.writeUInt8(bad.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at);
      if (!(await survives(filesWith(bad), '/x'))) refused += 1;
    }
    expect(refused).toBeGreaterThan(0);
  });

  it(`with words of extremes (seed ${SEED})`, async () => {
    const random = seededRandom();
    const words = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_fe00];
    for (let round = 0; round < 600; round += 1) {
      const bad = Buffer.from(image);
      for (let word = 0; word < 2; word += 1) {
        const at = Math.floor((random() * Math.min(bad.length, 9000)) / 4) * 4;
        bad.writeUInt32BE(words[Math.floor(random() * words.length)] ?? 0, at);
      }
      await survives(filesWith(bad), '/x');
    }
  });
});
