/**
 * A qcow2 image that can be read as it comes: all of its tables before all of its data, the data in the order of the
 * disk. Pure. Source: QEMU docs/interop/qcow2.rst.
 *
 *   header · L1 table · refcount table · refcount blocks · L2 tables │ clusters
 *
 * Every cluster of the file is referenced exactly once, so that the refcounts follow from how many there are.
 */
import { QCOW2_CLUSTER_BYTES, qcow2Header, writeQcow2Entry } from '../../vdisk/index.ts';
import type { BlockSet } from './block-set.ts';

const CLUSTER = QCOW2_CLUSTER_BYTES;
const ENTRY_BYTES = 8;
/** refcount_order 4, as in the header. */
const COUNT_BYTES = 2;
/** Clusters of the disk that one level-2 table maps. */
const L2_ENTRIES = CLUSTER / ENTRY_BYTES;
/** Clusters of the file that one refcount block counts. */
const COUNTS = CLUSTER / COUNT_BYTES;

interface Places {
  readonly l1Entries: number;
  readonly refcountTable: number;
  readonly refcountBlocks: number;
  readonly refcountBlockCount: number;
  readonly l2: number;
  readonly data: number;
  /** Of the file: all numbers are of clusters. */
  readonly end: number;
}

export interface Qcow2Image {
  /** Bytes of the whole image, the data included. */
  readonly length: number;
  /** Everything in front of the data. */
  readonly tables: Generator<Buffer>;
}

/** @param blocks of QCOW2_CLUSTER_BYTES: what follows the tables, in order */
export function qcow2Image(size: number, blocks: BlockSet): Qcow2Image {
  const mapped = mappedBy(blocks);
  const places = placesOf(mapped);
  return { length: places.end * CLUSTER, tables: tablesOf(size, blocks, mapped, places) };
}

function* tablesOf(
  size: number,
  blocks: BlockSet,
  mapped: readonly number[],
  places: Places,
): Generator<Buffer> {
  const header = Buffer.alloc(CLUSTER);
  qcow2Header({
    size,
    compression: 'none',
    l1: { offset: CLUSTER, entries: places.l1Entries },
    refcountTable: {
      offset: places.refcountTable * CLUSTER,
      clusters: places.refcountBlocks - places.refcountTable,
    },
  }).copy(header);
  yield header;
  yield l1Table(places, mapped);
  yield* refcounts(places);
  let next = places.data;
  for (const [table, count] of mapped.entries()) {
    if (count === 0) continue;
    yield l2Table(blocks, table, next);
    next += count;
  }
}

/** How many clusters each level-2 table maps. */
function mappedBy(blocks: BlockSet): number[] {
  const mapped: number[] = [];
  for (let first = 0; first < blocks.count; first += L2_ENTRIES) {
    mapped.push(blocks.countIn(first, Math.min(first + L2_ENTRIES, blocks.count)));
  }
  return mapped;
}

function placesOf(mapped: readonly number[]): Places {
  const l1Entries = mapped.length;
  const refcountTable = 1 + clustersOf(l1Entries * ENTRY_BYTES);
  const l2Count = mapped.filter((count) => count > 0).length;
  const dataCount = mapped.reduce((sum, count) => sum + count, 0);
  // The blocks count themselves and their table as well.
  let refcountBlockCount = 1;
  for (;;) {
    const refcountBlocks = refcountTable + clustersOf(refcountBlockCount * ENTRY_BYTES);
    const l2 = refcountBlocks + refcountBlockCount;
    const data = l2 + l2Count;
    const end = data + dataCount;
    const needed = Math.ceil(end / COUNTS);
    if (needed <= refcountBlockCount) {
      return { l1Entries, refcountTable, refcountBlocks, refcountBlockCount, l2, data, end };
    }
    refcountBlockCount = needed;
  }
}

function l1Table(places: Places, mapped: readonly number[]): Buffer {
  const table = Buffer.alloc(clustersOf(places.l1Entries * ENTRY_BYTES) * CLUSTER);
  let next = places.l2;
  for (const [index, count] of mapped.entries()) {
    if (count === 0) continue;
    writeQcow2Entry(table, index * ENTRY_BYTES, next * CLUSTER);
    next += 1;
  }
  return table;
}

function l2Table(blocks: BlockSet, number: number, firstCluster: number): Buffer {
  const table = Buffer.alloc(CLUSTER);
  const first = number * L2_ENTRIES;
  const end = Math.min(first + L2_ENTRIES, blocks.count);
  let next = firstCluster;
  for (let block = blocks.next(first, end); block < end; block = blocks.next(block + 1, end)) {
    writeQcow2Entry(table, (block - first) * ENTRY_BYTES, next * CLUSTER);
    next += 1;
  }
  return table;
}

function* refcounts(places: Places): Generator<Buffer> {
  const { refcountTable, refcountBlocks, refcountBlockCount, end } = places;
  const table = Buffer.alloc((refcountBlocks - refcountTable) * CLUSTER);
  for (let block = 0; block < refcountBlockCount; block += 1) {
    const offset = (refcountBlocks + block) * CLUSTER;
    table.writeBigUInt64BE(BigInt(offset), block * ENTRY_BYTES);
  }
  yield table;
  const one = Buffer.from([0, 1]);
  for (let block = 0; block < refcountBlockCount; block += 1) {
    const counts = Buffer.alloc(CLUSTER);
    counts.fill(one, 0, Math.min(COUNTS, end - block * COUNTS) * COUNT_BYTES);
    yield counts;
  }
}

function clustersOf(bytes: number): number {
  return Math.ceil(bytes / CLUSTER);
}
