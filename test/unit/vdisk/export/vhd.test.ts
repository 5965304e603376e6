import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { vhdGeometry } from '../../../../src/vdisk/export/vhd-structures.ts';
import { markChunk } from '../../../../src/vdisk/manifest/index.ts';
import { SEED } from '../../../support/seed.ts';
import { MemoryFiles } from '../formats/memory-files.ts';
import { readImage } from '../formats/read-image.ts';
import { anyPair, type Chosen, overstated, sourceOf, streamed } from './export-disks.ts';
import { readVhd, readVhdChain } from './vhd-spec-reader.ts';

const K = 1024;
const M = 1024 * K;
const G = 1024 * M;
const CHUNK = 64 * K;

const dynamic: Chosen = { format: 'vhd' };

/** A disk of three blocks and a bit: data in the first and the third. */
function disk(): Buffer {
  const content = Buffer.alloc(6 * M + 512);
  content.fill('first', 0, 100_000);
  content.fill('third', 4 * M + 5 * K, 5 * M);
  return content;
}

describe('the structures of a VHD', () => {
  it('are what the specification says', async () => {
    const source = { ...sourceOf(disk()), contentId: '0123456789abcdef'.repeat(4) };
    const timestamp = new Date('2001-02-03T04:05:06.789Z');
    const { footer, header, blocks } = readVhd(await streamed(source, { ...dynamic, timestamp }));
    expect(footer).toEqual({
      features: 2,
      version: 0x10000,
      dataOffset: 512n,
      timestamp: (366 + 31 + 2) * 86_400 + 4 * 3600 + 5 * 60 + 6,
      creator: 'win ',
      creatorSystem: 'Wi2k',
      originalSize: 6 * M + 512,
      currentSize: 6 * M + 512,
      geometry: [180, 4, 17],
      type: 3,
      // The first half of the content's id, with the version and the variant of RFC 9562.
      uniqueId: '0123456789ab8def8123456789abcdef',
    });
    expect(header).toEqual({
      dataOffset: 0xffff_ffff_ffff_ffffn,
      version: 0x10000,
      entries: 4,
      blockSize: 2 * M,
      parentId: '0'.repeat(32),
      parentTimestamp: 0,
      parentName: '',
      locators: [],
    });
    expect(blocks).toEqual([0, 2]);
  });

  it('leave out blocks of zeroes that the map calls present', async () => {
    const image = readVhd(await streamed(overstated(sourceOf(disk())), dynamic));
    expect(image.blocks).toEqual([0, 2]);
  });

  // Where the calculation of the appendix changes its mind, and what it comes to there.
  it.each<[number, readonly [number, number, number]]>([
    [512, [0, 4, 17]],
    [2 * M, [60, 4, 17]],
    [1024 * 4 * 17 * 512 - 512, [1023, 4, 17]],
    [1024 * 4 * 17 * 512, [140, 16, 31]],
    [4097 * 17 * 512, [819, 5, 17]],
    [1024 * 16 * 17 * 512 - 512, [1023, 16, 17]],
    [1024 * 16 * 17 * 512, [561, 16, 31]],
    [1024 * 16 * 31 * 512, [503, 16, 63]],
    [10 * G, [20_805, 16, 63]],
    [65_535 * 16 * 63 * 512 - 512, [65_534, 16, 63]],
    [65_535 * 16 * 63 * 512, [16_191, 16, 255]],
    [2040 * G, [65_535, 16, 255]],
  ])('have for %i bytes the geometry %j', (size, [cylinders, heads, sectors]) => {
    expect(vhdGeometry(size)).toEqual({ cylinders, heads, sectors });
  });
});

describe(`a differencing VHD (seed ${SEED})`, () => {
  it('names its parent, which need not have been exported', async () => {
    const below = sourceOf(disk());
    const changed = disk();
    changed.fill('new', 512, 1024);
    const above = sourceOf(changed);
    const image = readVhd(
      await streamed(above, {
        ...dynamic,
        timestamp: new Date('2000-01-01T00:01:00Z'),
        parent: {
          source: below,
          fileName: 'grüße.vhd',
          windowsPath: 'D:\\vm\\grüße.vhd',
          timestamp: new Date('2000-01-01T00:00:02Z'),
        },
      }),
    );
    expect(image.footer.type).toBe(4);
    expect(image.footer.timestamp).toBe(60);
    expect(image.header.parentTimestamp).toBe(2);
    expect(image.header.parentName).toBe('grüße.vhd');
    expect(image.header.locators).toEqual([
      { code: 'W2ru', sectors: 1, text: '.\\grüße.vhd' },
      { code: 'W2ku', sectors: 1, text: 'D:\\vm\\grüße.vhd' },
    ]);
    const parent = readVhd(await streamed(below, dynamic));
    expect(image.header.parentId).toBe(parent.footer.uniqueId);
    expect(image.footer.uniqueId).not.toBe(parent.footer.uniqueId);
  });

  it('holds the sectors that differ, and no others', async () => {
    await fc.assert(
      fc.asyncProperty(anyPair, fc.boolean(), async ({ parent, child }, exact) => {
        const seal = (content: Buffer) =>
          exact ? sourceOf(content) : overstated(sourceOf(content));
        const chosen = { ...dynamic, parent: { source: seal(parent), fileName: 'p' } };
        const image = readVhd(await streamed(seal(child), chosen));
        const old = Buffer.alloc(child.length);
        parent.copy(old);
        const blocks = new Set<number>();
        for (let number = 0; number * 512 < child.length; number += 1) {
          const now = child.subarray(number * 512, number * 512 + 512);
          const before = old.subarray(number * 512, number * 512 + 512);
          const held = image.sector(number);
          if (now.equals(before)) {
            if (held !== undefined) throw new Error(`sector ${number} is held and did not change`);
          } else {
            if (!held?.equals(now)) throw new Error(`sector ${number} is not held as it is`);
            blocks.add(Math.floor((number * 512) / (2 * M)));
          }
        }
        expect(image.blocks).toEqual([...blocks]);
      }),
      { seed: SEED, numRuns: 30 },
    );
  });

  it('is the same disk through three images, to the reader of the test and to ours', async () => {
    const first = disk();
    const second = Buffer.concat([first, Buffer.alloc(3 * M)]);
    second.fill('second', 4 * M, 4 * M + 3 * 512);
    second.fill(0, 0, 3 * 512); // data that became zeroes
    second.fill('grown', 8 * M);
    const third = Buffer.from(second);
    third.fill('third', 4 * M + 512, 4 * M + 1024);
    third.fill(first.subarray(0, 512), 0, 512); // and back again
    const sources = [first, second, third].map((content) => sourceOf(content));
    const [base, middle, top] = sources;
    if (base === undefined || middle === undefined || top === undefined) throw new Error('three');
    const images = [
      await streamed(top, { ...dynamic, parent: { source: middle, fileName: 'middle.vhd' } }),
      await streamed(middle, { ...dynamic, parent: { source: base, fileName: 'base.vhd' } }),
      await streamed(base, dynamic),
    ] as const;
    expect(readVhdChain(images.map(readVhd)).equals(third)).toBe(true);
    const files = new MemoryFiles({
      '/vm/top.vhd': images[0],
      '/vm/middle.vhd': images[1],
      '/vm/base.vhd': images[2],
    });
    expect((await readImage(files, '/vm/top.vhd')).equals(third)).toBe(true);
    expect(readVhd(images[0]).blocks).toEqual([0, 2]);
  });

  it('looks where it is told to, and comes to the same file', async () => {
    const changed = disk();
    changed.fill('new', 4 * M + 512, 4 * M + 1024);
    const below = sourceOf(disk());
    const above = sourceOf(changed);
    const changedChunks = Buffer.alloc(above.presentChunks.length);
    markChunk(changedChunks, (4 * M) / CHUNK);
    const whole = await streamed(above, { ...dynamic, parent: { source: below, fileName: 'p' } });
    const parent = { source: below, fileName: 'p', changedChunks };
    const told = await streamed(above, { ...dynamic, parent });
    expect(told.equals(whole)).toBe(true);
    changedChunks.fill(0);
    expect(readVhd(await streamed(above, { ...dynamic, parent })).blocks).toEqual([]);
  });
});
