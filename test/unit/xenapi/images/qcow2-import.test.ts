import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, type Qcow2Options, qcow2Image } from '../../vdisk/formats/qcow2-images.ts';
import { contentOf, dirty, expectSame, imported, K, M, piecesOf } from './transfers.ts';

const CLUSTER = 4 * K;
const SIZE = 100 * CLUSTER + 512;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rootcast-qcow2-import-'));
});
afterAll(() => rm(folder, { recursive: true }));

const data = (text: string): Cluster => ({ kind: 'data', bytes: Buffer.alloc(CLUSTER, text) });
const packed = (text: string): Cluster => ({
  kind: 'compressed',
  bytes: Buffer.alloc(CLUSTER, text),
});

function image(clusters: readonly [number, Cluster][], more: Partial<Qcow2Options> = {}): Buffer {
  return qcow2Image({ size: SIZE, clusterBits: 12, clusters: new Map(clusters), ...more });
}

/** What is on a dirty disk afterwards. */
async function taken(bytes: Buffer, more = {}): Promise<Buffer> {
  const target = dirty(SIZE);
  await imported('qcow2', piecesOf(bytes, 1234), target, {
    length: bytes.length,
    temporaryFolder: folder,
    ...more,
  });
  expect(await readdir(folder)).toEqual([]);
  return contentOf(target);
}

function wanted(clusters: Readonly<Record<number, string | 0>>): Buffer {
  const disk = contentOf(dirty(SIZE));
  for (const [index, text] of Object.entries(clusters)) {
    disk.fill(text, Number(index) * CLUSTER, (Number(index) + 1) * CLUSTER);
  }
  return disk;
}

describe('a qcow2 that is imported', () => {
  it('writes its clusters, clears those of zeroes, and leaves the others', async () => {
    const clusters: [number, Cluster][] = [
      [3, data('a')],
      [4, { kind: 'zero' }],
      [50, data('b')],
    ];
    const disk = wanted({ 3: 'a', 4: 0, 50: 'b' });
    expectSame(await taken(image(clusters)), disk);
    // In any order of the file; relative to a base that it names, or not.
    expectSame(await taken(image(clusters.toReversed())), disk);
    expectSame(await taken(image(clusters, { backing: 'base.raw', backingFormat: 'raw' })), disk);
    expectSame(await taken(image([])), wanted({}));
  });

  it('has tables between its clusters, or data in front of them', async () => {
    const size = 5 * M;
    // A table maps 2 MiB; each follows the data of the one before.
    const clusters: [number, Cluster][] = [
      [3, data('a')],
      [600, data('b')],
      [1200, { kind: 'zero' }],
      [1201, data('c')],
    ];
    for (const order of [clusters, clusters.toReversed()]) {
      const target = dirty(size);
      const disk = contentOf(target);
      for (const [index, text] of [
        [3, 'a'],
        [600, 'b'],
        [1200, 0],
        [1201, 'c'],
      ] as const) {
        disk.fill(text, index * CLUSTER, (index + 1) * CLUSTER);
      }
      const bytes = image(order, { size });
      await imported('qcow2', bytes, target, { temporaryFolder: folder });
      expectSame(contentOf(target), disk);
    }
  });

  it('unpacks its clusters, of either kind', async () => {
    for (const zstd of [false, true]) {
      const bytes = image(
        [
          [3, packed('a')],
          [4, { kind: 'zero' }],
          [50, data('b')],
        ],
        { zstd },
      );
      expectSame(await taken(bytes), wanted({ 3: 'a', 4: 0, 50: 'b' }));
    }
  });

  it('has parts of clusters, which are taken each by itself', async () => {
    const bytes = Buffer.alloc(64 * K, 'x');
    // The first of 32 parts is there, the second is zeroes, the others are the base's.
    const sub: Cluster = { kind: 'sub', bytes, bitmap: 1n | (1n << 33n) };
    const made = image([[2, sub]], { clusterBits: 16, extended: true, incompatible: 16n });
    const disk = wanted({});
    disk.fill('x', 128 * K, 130 * K).fill(0, 130 * K, 132 * K);
    expectSame(await taken(made), disk);
  });

  it('is kept in the folder no further than to a limit', async () => {
    const bytes = image([
      [3, packed('a')],
      [50, packed('b')],
    ]);
    const refused = taken(bytes, { spoolBytesMax: 3 * CLUSTER });
    await expect(refused).rejects.toThrow('QCOW2_SPOOL_BYTES_MAX');
    expect(await readdir(folder)).toEqual([]);
    const nowhere = taken(bytes, { temporaryFolder: join(folder, 'none') });
    await expect(nowhere).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('is refused when it needs a second file, is no qcow2, or holds data behind the disk', async () => {
    await expect(taken(image([], { incompatible: 4n }))).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
    });
    await expect(taken(Buffer.alloc(M, 'x'))).rejects.toThrow('magic');
    const large = image([[120, data('x')]], { size: 2 * SIZE });
    await expect(taken(large)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    const zeroes = image([[120, data('\0')]], { size: 2 * SIZE });
    expectSame(await taken(zeroes), wanted({}));
  });
});
