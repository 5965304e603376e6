import { describe, expect, it } from 'vitest';
import { FaultyDevice, MemoryDevice } from '../../../../src/block/index.ts';
import { checksum, type VhdBlock, vhdImage } from '../../vdisk/formats/vhd-images.ts';
import { contentOf, dirty, expectSame, imported, K, M, memoryOf, piecesOf } from './transfers.ts';

const BLOCK = 64 * K;
const SIZE = 5 * BLOCK + 3 * 512;
const ID = 'ab'.repeat(16);

const block = (text: string, bitmap?: Buffer): VhdBlock => ({
  bytes: Buffer.alloc(BLOCK, text),
  ...(bitmap === undefined ? {} : { bitmap }),
});

const image = (kind: 'dynamic' | 'differencing', blocks: readonly [number, VhdBlock][]): Buffer =>
  vhdImage({ kind, size: SIZE, uniqueId: ID, blockBytes: BLOCK, blocks: new Map(blocks) });

/** Every second sector, beginning with the second. */
const EVERY_SECOND = Buffer.alloc(16, 0x55);

function expected(fill: string | number, blocks: readonly [number, string][]): Buffer {
  const disk = Buffer.alloc(SIZE, fill);
  for (const [index, text] of blocks) {
    Buffer.alloc(BLOCK, text).copy(disk, index * BLOCK);
  }
  return disk;
}

/** The footer's field is changed, and its checksum is right. */
function withFooters(bytes: Buffer, change: (footer: Buffer) => void): Buffer {
  const changed = Buffer.from(bytes);
  for (const footer of [changed.subarray(0, 512), changed.subarray(changed.length - 512)]) {
    change(footer);
    footer.writeUInt32BE(checksum(footer, 64), 64);
  }
  return changed;
}

function withHeader(bytes: Buffer, change: (header: Buffer) => void): Buffer {
  const changed = Buffer.from(bytes);
  const header = changed.subarray(512, 1536);
  change(header);
  header.writeUInt32BE(checksum(header, 36), 36);
  return changed;
}

describe('a VHD that is imported', () => {
  it('has its blocks in any order of the file', async () => {
    for (const order of [
      [0, 1, 5],
      [5, 0, 1],
      [1, 5, 0],
    ]) {
      const bytes = image(
        'dynamic',
        order.map((index) => [index, block(`block ${index} `)]),
      );
      const target = dirty(SIZE);
      await imported('vhd', piecesOf(bytes, 997), target, { length: bytes.length });
      const wanted = expected(0, []);
      for (const index of order) Buffer.alloc(BLOCK, `block ${index} `).copy(wanted, index * BLOCK);
      expectSame(contentOf(target), wanted);
    }
  });

  it('dynamic: what it does not hold is zeroes, by blocks and by sectors', async () => {
    const target = dirty(SIZE);
    const bytes = image('dynamic', [
      [0, block('a')],
      [2, block('b', EVERY_SECOND)],
    ]);
    await imported('vhd', bytes, target);
    const wanted = expected(0, [
      [0, 'a'],
      [2, 'b'],
    ]);
    for (let at = 2 * BLOCK; at < 3 * BLOCK; at += 1024) wanted.fill(0, at, at + 512);
    expectSame(contentOf(target), wanted);
  });

  it('differencing: what it does not hold is left as it is, by blocks and by sectors', async () => {
    const target = memoryOf(Buffer.alloc(SIZE, 'p'));
    const bytes = image('differencing', [
      [0, { bytes: Buffer.alloc(BLOCK) }],
      [2, block('b', EVERY_SECOND)],
    ]);
    await imported('vhd', bytes, target);
    const wanted = expected('p', [[2, 'b']]);
    wanted.fill(0, 0, BLOCK);
    for (let at = 2 * BLOCK; at < 3 * BLOCK; at += 1024) wanted.fill('p', at, at + 512);
    expectSame(contentOf(target), wanted);
  });

  it('goes onto a disk with larger units than sectors', async () => {
    const size = 6 * BLOCK;
    const target = memoryOf(Buffer.alloc(size, 'p'), 4 * K);
    const blocks = new Map([[2, block('b', EVERY_SECOND)]]);
    const options = { kind: 'differencing', size, uniqueId: ID, blockBytes: BLOCK } as const;
    await imported('vhd', vhdImage({ ...options, blocks }), target);
    const wanted = Buffer.alloc(size, 'p');
    for (let at = 2 * BLOCK + 512; at < 3 * BLOCK; at += 1024) wanted.fill('b', at, at + 512);
    expectSame(contentOf(target), wanted);
    const whole = vhdImage({ ...options, kind: 'dynamic', blocks });
    await imported('vhd', whole, target);
    for (let at = 0; at < size; at += 512) if (wanted[at] !== 98) wanted.fill(0, at, at + 512);
    expectSame(contentOf(target), wanted);
  });

  it('fixed: is the disk and a footer, also when it is larger by zeroes', async () => {
    const disk = Buffer.concat([Buffer.alloc(3 * M + 512, 'disk '), Buffer.alloc(64 * K)]);
    const bytes = vhdImage({ kind: 'fixed', size: disk.length, uniqueId: ID, disk });
    for (const pieces of [511, 512, 100_000]) {
      const target = dirty(3 * M + 512);
      await imported('vhd', piecesOf(bytes, pieces), target, { length: bytes.length });
      expectSame(contentOf(target), disk.subarray(0, 3 * M + 512));
    }
    const small = dirty(3 * M);
    await expect(imported('vhd', bytes, small)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    const cut = bytes.subarray(0, bytes.length - 512);
    await expect(imported('vhd', cut, dirty(disk.length))).rejects.toThrow('footer');
    const lying = vhdImage({ kind: 'fixed', size: disk.length + 512, uniqueId: ID, disk });
    await expect(imported('vhd', lying, dirty(disk.length))).rejects.toThrow('current size');
  });

  it('fits when it is larger than the disk by zeroes only', async () => {
    const small = 5 * BLOCK;
    const target = dirty(small);
    await imported('vhd', image('dynamic', [[0, block('a')]]), target);
    expectSame(contentOf(target), expected(0, [[0, 'a']]).subarray(0, small));
    const data = imported('vhd', image('dynamic', [[5, block('x')]]), dirty(small));
    await expect(data).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });

  it('may have something between its parts', async () => {
    const bytes = image('dynamic', [[1, block('a')]]);
    // The table is moved away from the header, and the block from the table.
    const moved = Buffer.concat([
      bytes.subarray(0, 1536),
      Buffer.alloc(1024, 0xee),
      bytes.subarray(1536, 2048),
      Buffer.alloc(512, 0xee),
      bytes.subarray(2048, bytes.length - 512),
      Buffer.alloc(2048, 0xee),
      bytes.subarray(bytes.length - 512),
    ]);
    const table = moved.subarray(1536 + 1024);
    table.writeUInt32BE(table.readUInt32BE(4) + 3, 4);
    const right = withHeader(moved, (header) => header.writeBigUInt64BE(2560n, 16));
    const target = dirty(SIZE);
    await imported('vhd', right, target);
    expectSame(contentOf(target), expected(0, [[1, 'a']]));
  });

  const good = image('dynamic', [
    [0, block('a')],
    [1, block('b')],
  ]);
  const TABLE = 1536;

  it.each<[string, Buffer, string]>([
    ['no header', withFooters(good, (it) => it.writeBigUInt64BE(1024n, 16)), 'dynamic header'],
    [
      'a header far away',
      withFooters(good, (it) => it.writeBigUInt64BE(2n ** 40n, 16)),
      'data offset',
    ],
    ['a header in front', withFooters(good, (it) => it.writeBigUInt64BE(0n, 16)), 'data offset'],
    ['another version', withFooters(good, (it) => it.writeUInt32BE(0x20000, 12)), 'version'],
    ['a type nobody knows', withFooters(good, (it) => it.writeUInt32BE(6, 60)), 'disk type'],
    ['a huge disk', withFooters(good, (it) => it.writeBigUInt64BE(2n ** 60n, 48)), 'current size'],
    ['a table in front', withHeader(good, (it) => it.writeBigUInt64BE(0n, 16)), 'table offset'],
    [
      'a table behind the end',
      withHeader(good, (it) => it.writeBigUInt64BE(2n ** 63n, 16)),
      'table offset',
    ],
    ['too few entries', withHeader(good, (it) => it.writeUInt32BE(1, 28)), 'entries'],
    ['blocks of no size', withHeader(good, (it) => it.writeUInt32BE(0, 32)), 'block size'],
    ['a checksum that is wrong', Buffer.from(good).fill(1, 1000, 1001), 'checksum'],
  ])('is refused: %s', async (_name, bytes, message) => {
    const target = dirty(SIZE);
    await expect(imported('vhd', bytes, target)).rejects.toThrow(message);
    expectSame(contentOf(target), expected('', []).fill('rubbish '));
  });

  it('is refused: blocks over each other, or over the table', async () => {
    for (const sector of [0, 2, 5, 100]) {
      const bytes = Buffer.from(good);
      bytes.writeUInt32BE(sector, TABLE + 4);
      const refused = imported('vhd', bytes, dirty(SIZE));
      await expect(refused).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    }
  });

  it('is refused: an end that is another image’s, or none', async () => {
    const other = vhdImage({ kind: 'dynamic', size: SIZE + 512, uniqueId: ID, blockBytes: BLOCK });
    const spliced = Buffer.concat([
      good.subarray(0, good.length - 512),
      other.subarray(other.length - 512),
    ]);
    await expect(imported('vhd', spliced, dirty(SIZE))).rejects.toThrow('last footer');
    const long = Buffer.concat([good.subarray(0, good.length - 512), Buffer.alloc(17 * M)]);
    await expect(imported('vhd', long, dirty(SIZE))).rejects.toThrow('VHD_TAIL_BYTES_MAX');
  });

  it('is on stable storage when it is done', async () => {
    const order: string[] = [];
    const device = new FaultyDevice(new MemoryDevice({ size: SIZE }), ({ operation }) => {
      if (operation !== 'extents' && operation !== 'read') order.push(operation);
      return undefined;
    });
    await imported('vhd', good, device);
    expect(order).toContain('write');
    expect(order.at(-1)).toBe('flush');
  });
});
