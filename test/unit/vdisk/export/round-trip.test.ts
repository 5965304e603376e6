/** What we export, we import: any disk, in every format, as a stream and as a file. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportFile } from '../../../../src/vdisk/export/index.ts';
import { SEED } from '../../../support/seed.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { MemoryFiles } from '../formats/memory-files.ts';
import { readImage } from '../formats/read-image.ts';
import {
  anyDisk,
  anyPair,
  type Chosen,
  options,
  overstated,
  sourceOf,
  streamed,
} from './export-disks.ts';

const RUNS = { seed: SEED, numRuns: 25 };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder('export');
});
afterAll(() => folder.remove());

/** As a file, and its bytes. */
async function filed(source: ReturnType<typeof sourceOf>, chosen: Chosen): Promise<Buffer> {
  const path = join(folder.path, 'disk');
  const { length } = await exportFile(source, path, { ...options(chosen), overwrite: true });
  const bytes = await readFile(path);
  expect(bytes.length).toBe(length);
  return bytes;
}

/** The differing byte, not two buffers of megabytes. */
function expectSame(found: Buffer, expected: Buffer): void {
  expect(found.length).toBe(expected.length);
  if (found.equals(expected)) return;
  expect(found.findIndex((byte, at) => byte !== expected[at])).toBe('the same bytes');
}

describe(`an exported disk (seed ${SEED})`, () => {
  it.each<[string, Chosen]>([
    ['raw', { format: 'raw' }],
    ['qcow2', { format: 'qcow2', compress: false }],
    ['qcow2, zstd', { format: 'qcow2' }],
    ['VHD', { format: 'vhd', timestamp: new Date('2026-01-02T03:04:05Z') }],
  ])('%s: is read back the same from stream and file', async (_name, chosen) => {
    await fc.assert(
      fc.asyncProperty(anyDisk, fc.boolean(), async (disk, exact) => {
        const source = exact ? sourceOf(disk) : overstated(sourceOf(disk));
        const stream = await streamed(source, chosen);
        const file = await filed(source, chosen);
        const images = new MemoryFiles({ '/stream': stream, '/file': file });
        const { format } = chosen;
        expectSame(await readImage(images, '/stream', { format }), disk);
        expectSame(await readImage(images, '/file', { format }), disk);
        // Where the map is exact, they are the same to the byte.
        if (exact) expectSame(stream, file);
      }),
      RUNS,
    );
  });

  it('VHD above a parent: is read back the same, and so is the parent', async () => {
    await fc.assert(
      fc.asyncProperty(anyPair, fc.boolean(), async ({ parent, child }, exact) => {
        const seal = (disk: Buffer) => (exact ? sourceOf(disk) : overstated(sourceOf(disk)));
        const below = seal(parent);
        const above = seal(child);
        const chosen: Chosen = {
          format: 'vhd',
          parent: { source: below, fileName: 'parent.vhd' },
        };
        const stream = await streamed(above, chosen);
        expectSame(stream, await filed(above, chosen));
        const images = new MemoryFiles({
          '/vm/child.vhd': stream,
          '/vm/parent.vhd': await streamed(below, { format: 'vhd' }),
        });
        expectSame(await readImage(images, '/vm/child.vhd'), child);
        expectSame(await readImage(images, '/vm/parent.vhd'), parent);
      }),
      RUNS,
    );
  });
});
