import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  bitmapBytes,
  changedChunks,
  chunkLength,
  ManifestWriter,
  markChunk,
} from '../../../../src/vdisk/manifest/index.ts';
import { SEED } from '../../../support/seed.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { coloured, sha } from '../bundle/chunk-colours.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder('changed-chunks');
});
afterEach(() => folder.remove());

let names = 0;

/** @param colours of the chunks; 0 is a hole. @param less bytes that the last chunk is shorter */
async function manifestOf(colours: readonly number[], less: number): Promise<string> {
  names += 1;
  const path = join(folder.path, String(names));
  const size = colours.length * 65_536 - less;
  const writer = await ManifestWriter.create(path, size);
  for (const [chunk, colour] of colours.entries()) {
    if (colour === 0) continue;
    await writer.add(chunk, sha(coloured(colour, chunkLength(size, chunk))));
  }
  await writer.finish();
  return path;
}

it('marks the chunks that are not what the other disk has there, and no others', async () => {
  const disk = fc.record({
    colours: fc.array(fc.nat(3), { minLength: 1, maxLength: 40 }),
    less: fc.constantFrom(0, 512, 4096),
  });
  const property = fc.asyncProperty(disk, disk, async (one, other) => {
    const ends = [one, other].map(({ colours, less }) => colours.length * 65_536 - less);
    const [size = 0, otherSize = 0] = ends;
    const expected = new Uint8Array(bitmapBytes(size));
    for (const [chunk, colour] of one.colours.entries()) {
      const there = other.colours[chunk] ?? 0;
      const isShorter =
        colour !== 0 && there !== 0 && chunkLength(size, chunk) !== chunkLength(otherSize, chunk);
      if (colour !== there || isShorter) markChunk(expected, chunk);
    }
    const paths = [
      await manifestOf(other.colours, other.less),
      await manifestOf(one.colours, one.less),
    ] as const;
    expect([...(await changedChunks(...paths))]).toEqual([...expected]);
  });
  await fc.assert(property, { seed: SEED, numRuns: 100 });
});
