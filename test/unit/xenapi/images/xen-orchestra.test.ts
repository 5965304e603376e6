/**
 * Xen Orchestra reads what we export, and we what it sends: its own package for qcow2. Its reader of VHDs is in a package
 * that cannot be installed; it is restated here (@xen-orchestra/xapi disks/XapiVhdStreamSource.mjs): it goes forward only,
 * and takes every block whole, whatever the sector bitmap says.
 */
import { Readable } from 'node:stream';
import { readChunkStrict, skipStrict } from '@vates/read-chunk';
import { type Disk, type DiskBlock, RandomAccessDisk } from '@xen-orchestra/disk-transform';
import { QcowStream, toQcow2Stream } from '@xen-orchestra/qcow2';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryDevice } from '../../../../src/block/index.ts';
import { SEED } from '../../../support/seed.ts';
import { anyDisk, anyPair } from '../../vdisk/export/export-disks.ts';
import {
  contentOf,
  differencesOf,
  type ExportChoice,
  expectSame,
  exportPieces,
  imported,
  K,
  M,
  memoryOf,
} from './transfers.ts';

const RUNS = { seed: SEED, numRuns: 8 };
const VHD_BLOCK = 2 * M;

/** What its backup would hold, written over what it held before. */
async function throughQcow2(choice: ExportChoice, before: Buffer): Promise<Buffer> {
  const disk = new QcowStream(Readable.from(exportPieces('qcow2', choice), { objectMode: false }));
  await disk.init();
  const size = disk.getVirtualSize();
  expect(size).toBe(choice.disk.geometry.size);
  const after = Buffer.concat([before], size);
  for (const index of disk.getBlockIndexes()) {
    const { data } = await disk.readBlock(index);
    data.copy(after, index * disk.getBlockSize());
  }
  await disk.close();
  return after;
}

async function throughVhd(choice: ExportChoice, before: Buffer): Promise<Buffer> {
  const stream = Readable.from(exportPieces('vhd', choice), { objectMode: false });
  let position = 0;
  const read = async (length: number): Promise<Buffer> => {
    position += length;
    return readChunkStrict(stream, length);
  };
  const skip = async (length: number): Promise<void> => {
    expect(length).toBeGreaterThanOrEqual(0);
    position += length;
    if (length > 0) await skipStrict(stream, length);
  };
  const footer = await read(512);
  expect(footer.toString('latin1', 0, 8)).toBe('conectix');
  expect(footer.readUInt32BE(60)).toBe(choice.base === undefined ? 3 : 4);
  const size = Number(footer.readBigUInt64BE(48));
  expect(size).toBe(choice.disk.geometry.size);
  const header = await read(1024);
  expect(header.toString('latin1', 0, 8)).toBe('cxsparse');
  expect(header.readUInt32BE(32)).toBe(VHD_BLOCK);
  const entries = header.readUInt32BE(28);
  await skip(Number(header.readBigUInt64BE(16)) - position);
  const table = await read(Math.ceil((entries * 4) / 512) * 512);
  const blocks: { index: number; offset: number }[] = [];
  for (let index = 0; index < entries; index += 1) {
    const sector = table.readUInt32BE(index * 4);
    if (sector !== 0xffff_ffff) blocks.push({ index, offset: (sector + 1) * 512 });
  }
  const after = Buffer.concat([before], size);
  for (const { index, offset } of blocks.toSorted((one, other) => one.offset - other.offset)) {
    await skip(offset - position);
    const data = await read(VHD_BLOCK);
    data.copy(after, index * VHD_BLOCK);
  }
  // It does not look at what follows; of an image without blocks that is where its parent is, and then the footer.
  const rest: Buffer[] = [];
  for await (const piece of stream) rest.push(piece);
  expect(Buffer.concat(rest).subarray(-512).equals(footer)).toBe(true);
  return after;
}

const READERS = [
  ['vhd', throughVhd],
  ['qcow2', throughQcow2],
] as const;

/** A disk as its backups have them: blocks of a size, of which some are not there. */
class HeldDisk extends RandomAccessDisk {
  readonly #content: Buffer;
  readonly #blockBytes: number;
  readonly #has: (index: number) => boolean;

  constructor(content: Buffer, blockBytes: number, has: (index: number) => boolean) {
    super();
    this.#content = content;
    this.#blockBytes = blockBytes;
    this.#has = has;
  }

  async readBlock(index: number): Promise<DiskBlock> {
    const start = index * this.#blockBytes;
    const data = this.#content.subarray(start, start + this.#blockBytes);
    return { index, data: Buffer.concat([data], this.#blockBytes) };
  }
  getVirtualSize(): number {
    return this.#content.length;
  }
  getBlockSize(): number {
    return this.#blockBytes;
  }
  async init(): Promise<void> {}
  async close(): Promise<void> {}
  isDifferencing(): boolean {
    return true;
  }
  getBlockIndexes(): number[] {
    const count = Math.ceil(this.#content.length / this.#blockBytes);
    return Array.from({ length: count }, (_, index) => index).filter((index) => this.#has(index));
  }
  override getBlockIndexesCount(): number {
    return this.getBlockIndexes().length;
  }
  hasBlock(index: number): boolean {
    return this.#has(index);
  }
}

describe(`Xen Orchestra (seed ${SEED})`, () => {
  it.each(READERS)('%s: backs up a whole disk', async (_format, through) => {
    await fc.assert(
      fc.asyncProperty(anyDisk, async (content) => {
        expectSame(await through({ disk: memoryOf(content) }, Buffer.alloc(0)), content);
      }),
      RUNS,
    );
  });

  it.each(READERS)('%s: adds what differs to the backup before', async (_format, through) => {
    await fc.assert(
      fc.asyncProperty(anyPair, fc.boolean(), async ({ parent, child }, isTold) => {
        const choice = {
          disk: memoryOf(child),
          base: memoryOf(parent),
          ...(isTold ? { differs: differencesOf(parent, child) } : {}),
        };
        expectSame(await through(choice, parent), child);
      }),
      RUNS,
    );
  });

  it('restores a disk, and what differs, from the qcow2 that it sends', async () => {
    const content = Buffer.alloc(9 * M + 5 * K, 'content ');
    const before = Buffer.alloc(content.length, 'before ');
    for (const blockBytes of [64 * K, VHD_BLOCK]) {
      for (const has of [() => true, (index: number) => index % 3 === 1, () => false]) {
        const disk: Disk = new HeldDisk(content, blockBytes, has);
        const stream = toQcow2Stream(disk) as Readable & { readonly length: number };
        const wanted = Buffer.from(before);
        for (const index of disk.getBlockIndexes()) {
          const start = index * blockBytes;
          content.copy(wanted, start, start, Math.min(start + blockBytes, content.length));
        }
        const target = memoryOf(before);
        await imported('qcow2', stream, target, { length: stream.length });
        expectSame(contentOf(target), wanted);
      }
    }
  });

  it('restores through a folder without room: its images are not kept in one', async () => {
    const content = Buffer.alloc(70 * M, 'content ');
    const stream = toQcow2Stream(new HeldDisk(content, VHD_BLOCK, (index) => index % 2 === 0));
    const target = new MemoryDevice({ size: content.length });
    // Its tables are kept, and no more.
    await imported('qcow2', stream, target, { spoolBytesMax: 8 * 64 * K });
    expect(target.allocatedBytes).toBeGreaterThan(34 * M);
  });
});
