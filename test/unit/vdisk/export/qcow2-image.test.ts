import { describe, expect, it } from 'vitest';
import { MemoryFiles } from '../formats/memory-files.ts';
import { open } from '../formats/read-image.ts';
import { type Chosen, overstated, sourceOf, streamed } from './export-disks.ts';

const K = 1024;
const M = 1024 * K;
const CLUSTER = 64 * K;

const plain: Chosen = { format: 'qcow2', compress: false };
const zstd: Chosen = { format: 'qcow2' };

/** Bytes that no compression makes shorter. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = 1;
  for (let at = 0; at < size; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE((state ^ (state >>> 15)) >>> 0, at);
  }
  return bytes;
}

describe('a qcow2 image', () => {
  it('is compressed unless that is not wanted, or makes nothing shorter', async () => {
    const text = sourceOf(Buffer.alloc(4 * M, 'text '));
    expect((await streamed(text, zstd)).length).toBeLessThan(10 * CLUSTER);
    expect((await streamed(text, plain)).length).toBeGreaterThan(4 * M);
    // Clusters as they are, at places that are aligned: as if it were not compressed.
    const random = sourceOf(noise(4 * M));
    expect((await streamed(random, zstd)).length).toBe((await streamed(random, plain)).length);
  });

  it.each([plain, zstd])('has no cluster of zeroes, also where the map has: %j', async (chosen) => {
    const disk = Buffer.alloc(4 * M);
    disk.fill('text', M, M + CLUSTER);
    disk.fill('text', 3 * M, 3 * M + 5);
    const files = new MemoryFiles({ '/disk': await streamed(overstated(sourceOf(disk)), chosen) });
    const reader = await open(files, '/disk');
    const data: number[] = [];
    for (let at = 0; at < disk.length; at += CLUSTER) {
      const { kind, length } = await reader.run(at, CLUSTER);
      expect(length).toBe(CLUSTER);
      if (kind === 'data') data.push(at);
    }
    await reader.close();
    expect(data).toEqual([M, 3 * M]);
  });
});
