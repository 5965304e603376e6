/** The layout against a reader of the specification that counts every reference once more. */
import { describe, expect, it } from 'vitest';
import type { DiskCluster } from '../../../../src/vdisk/export/qcow2-cluster.ts';
import { Qcow2Layout } from '../../../../src/vdisk/export/qcow2-layout.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';

const CLUSTER = 64 * 1024;
const G = 1024 ** 3;

/** A file of which only what is worth reading is kept. */
class Pieces {
  readonly kept = new Map<number, Buffer>();
  length = 0;

  append(pieces: readonly Buffer[], data: ReadonlySet<Buffer>): void {
    for (const piece of pieces) {
      if (!data.has(piece)) this.kept.set(this.length, piece);
      this.length += piece.length;
    }
  }

  /** The piece at an offset that a table names. */
  at(offset: number): Buffer {
    const piece = this.kept.get(offset);
    if (piece === undefined) throw new Error(`nothing was kept at ${offset}`);
    return piece;
  }
}

/** Makes the image of clusters, in windows of 32; the data itself is not kept. */
function layOut(size: number, clusters: readonly DiskCluster[]): Pieces {
  const layout = new Qcow2Layout(size, 'zstd');
  const file = new Pieces();
  file.length = layout.headBytes;
  const data = new Set(clusters.map(({ bytes }) => bytes));
  for (let first = 0; first < clusters.length; ) {
    const window = Math.floor((clusters[first]?.index ?? 0) / 32);
    let end = first;
    while (end < clusters.length && Math.floor((clusters[end]?.index ?? 0) / 32) === window)
      end += 1;
    file.append(layout.append(clusters.slice(first, end)), data);
    expect(layout.length).toBe(file.length);
    first = end;
  }
  file.append(layout.finish(), data);
  file.kept.set(0, layout.head());
  expect(layout.length).toBe(file.length);
  expect(layout.head().length).toBe(layout.headBytes);
  return file;
}

/** Host clusters, and how often something refers to each: from the tables, by the specification. */
function referencesOf(file: Pieces): { found: Uint16Array; counted: Uint16Array; mapped: number } {
  const found = new Uint16Array(Math.ceil(file.length / CLUSTER));
  const refer = (offset: number, length: number): void => {
    for (let at = Math.floor(offset / CLUSTER); at * CLUSTER < offset + length; at += 1) {
      found[at] = (found[at] ?? 0) + 1;
    }
  };
  const head = file.at(0);
  const size = Number(head.readBigUInt64BE(24));
  const l1Size = head.readUInt32BE(36);
  const l1Offset = Number(head.readBigUInt64BE(40));
  refer(0, CLUSTER);
  refer(l1Offset, l1Size * 8);
  let mapped = 0;
  for (let i = 0; i < l1Size; i += 1) {
    const l1 = head.readBigUInt64BE(l1Offset + i * 8);
    if (l1 === 0n) continue;
    expect(l1 >> 63n).toBe(1n);
    const l2Offset = Number(l1 & 0x00ff_ffff_ffff_fe00n);
    expect(l2Offset % CLUSTER).toBe(0);
    refer(l2Offset, CLUSTER);
    const l2 = file.at(l2Offset);
    for (let j = 0; j < 8192; j += 1) {
      const entry = l2.readBigUInt64BE(j * 8);
      if (entry === 0n) continue;
      mapped += 1;
      expect((i * 8192 + j) * CLUSTER).toBeLessThan(size);
      if ((entry >> 62n) & 1n) {
        expect(entry >> 63n).toBe(0n);
        const offset = Number(entry & ((1n << 54n) - 1n));
        const sectors = Number((entry >> 54n) & 0xffn) + 1;
        refer(offset, sectors * 512 - (offset % 512));
      } else {
        expect(entry >> 63n).toBe(1n);
        const offset = Number(entry & 0x00ff_ffff_ffff_fe00n);
        expect(offset % CLUSTER).toBe(0);
        refer(offset, CLUSTER);
      }
    }
  }
  const tableOffset = Number(head.readBigUInt64BE(48));
  const tableClusters = head.readUInt32BE(56);
  refer(tableOffset, tableClusters * CLUSTER);
  const table = file.at(tableOffset);
  expect(table.length).toBe(tableClusters * CLUSTER);
  const counted = new Uint16Array(found.length);
  for (let block = 0; block * 8 < table.length; block += 1) {
    const offset = Number(table.readBigUInt64BE(block * 8));
    if (offset === 0) continue;
    refer(offset, CLUSTER);
    for (let i = 0; i < 32_768; i += 1) {
      const count = file.at(offset).readUInt16BE(i * 2);
      const at = block * 32_768 + i;
      if (at < counted.length) counted[at] = count;
      else expect(count).toBe(0);
    }
  }
  return { found, counted, mapped };
}

function expectExact(file: Pieces, mapped: number): void {
  const references = referencesOf(file);
  expect(references.mapped).toBe(mapped);
  const wrong = [...references.found.entries()]
    .filter(([at, count]) => references.counted[at] !== count)
    .map(([at, count]) => `cluster ${at}: ${count} references, ${references.counted[at]} counted`);
  expect(wrong).toEqual([]);
}

const plain = Buffer.alloc(CLUSTER, 1);
const packed = Array.from({ length: 40 }, (_, i) =>
  Buffer.alloc([19, 511, 512, 513, 30_000][i % 5] ?? 1, 1),
);

describe(`the layout of a qcow2 image (seed ${SEED})`, () => {
  it('counts every reference of a file over several refcount blocks (2 GiB each)', () => {
    const clusters = Array.from(
      { length: (5 * G) / CLUSTER },
      (_, index): DiskCluster => ({ index, kind: 'plain', bytes: plain }),
    );
    const file = layOut(5 * G, clusters);
    expect(file.length).toBeGreaterThan(5 * G);
    expectExact(file, clusters.length);
  });

  it.each([-3, -2, -1, 0, 1])('ends %i clusters from where a refcount block ends', (off) => {
    // Head 2, and a table for every 8192: what is left of 32768 clusters is the file's own end.
    const count = 32_768 - 2 - 4 + off;
    const clusters = Array.from(
      { length: count },
      (_, index): DiskCluster => ({ index, kind: 'plain', bytes: plain }),
    );
    expectExact(layOut(3 * G, clusters), count);
  });

  it('counts clusters that are packed, plain and free, in any order', () => {
    const random = seededRandom();
    const clusters: DiskCluster[] = [];
    let mapped = 0;
    for (let index = 0; index < 60_000; index += Math.ceil(random() ** 8 * 500)) {
      const kind = random();
      if (kind < 0.1) clusters.push({ index, kind: 'zero', bytes: plain });
      else if (kind < 0.4) clusters.push({ index, kind: 'plain', bytes: plain });
      else clusters.push({ index, kind: 'packed', bytes: packed[index % packed.length] ?? plain });
      if (kind >= 0.1) mapped += 1;
    }
    expectExact(layOut(60_000 * CLUSTER, clusters), mapped);
  });

  it('counts thousands of packed clusters in one', () => {
    const tiny = Buffer.alloc(19, 1);
    const clusters = Array.from(
      { length: 8000 },
      (_, index): DiskCluster => ({ index, kind: 'packed', bytes: tiny }),
    );
    const file = layOut(8000 * CLUSTER, clusters);
    expectExact(file, clusters.length);
    expect(file.length).toBeLessThan(10 * CLUSTER);
  });

  it('is small for an empty disk, and has room for the tables of a large one', () => {
    expectExact(layOut(512, []), 0);
    const last = (16 * 1024 * G) / CLUSTER - 1;
    const file = layOut(16 * 1024 * G, [{ index: last, kind: 'plain', bytes: plain }]);
    expectExact(file, 1);
    expect(file.length).toBeLessThan(12 * CLUSTER);
  });

  it('says nothing about its head before it is finished', () => {
    expect(() => new Qcow2Layout(512, 'none').head()).toThrow('not finished');
  });

  it('writes the header that the specification asks for', () => {
    const zstd = layOut(3 * 512, []).at(0);
    expect(zstd.toString('latin1', 0, 4)).toBe('QFI\xfb');
    expect([4, 20, 36, 56, 96, 100].map((at) => zstd.readUInt32BE(at))).toEqual([
      3, 16, 1, 1, 4, 112,
    ]);
    expect([8, 24, 40, 60, 64, 72, 80, 88].map((at) => Number(zstd.readBigUInt64BE(at)))).toEqual([
      0,
      3 * 512,
      CLUSTER,
      0,
      0,
      8,
      0,
      0,
    ]);
    expect(zstd.readUInt8(104)).toBe(1);
    const layout = new Qcow2Layout(512, 'none');
    layout.finish();
    expect(layout.head().readBigUInt64BE(72)).toBe(0n);
    expect(layout.head().readUInt8(104)).toBe(0);
  });
});
