import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../support/seed.ts';
import { MemoryFiles } from './memory-files.ts';
import { faultOf, open, readImage } from './read-image.ts';
import { checksum, type VhdOptions, vhdImage } from './vhd-images.ts';

const M = 1024 * 1024;
const ID_A = 'a0'.repeat(16);
const ID_B = 'b1'.repeat(16);
const ID_C = 'c2'.repeat(16);
const random = seededRandom();

function bytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}

const SMALL = { blockBytes: 64 * 1024, uniqueId: ID_A } as const;

describe('VHD', () => {
  it('reads a fixed disk of an odd number of sectors', async () => {
    const disk = bytes(512 * 77);
    const image = vhdImage({ kind: 'fixed', size: disk.length, uniqueId: ID_A, disk });
    const files = new MemoryFiles({ '/a': image });
    expect((await readImage(files, '/a')).equals(disk)).toBe(true);
  });

  it('refuses a fixed disk that is cut off', async () => {
    const disk = bytes(512 * 77);
    const image = vhdImage({ kind: 'fixed', size: disk.length, uniqueId: ID_A, disk });
    const files = new MemoryFiles({ '/a': image.subarray(512) });
    const fault = await faultOf(open(files, '/a'));
    expect([fault.code, fault.details.field]).toEqual(['IMAGE_INVALID', 'current size']);
  });

  it('reads a dynamic disk with a short last block, and honours the sector bitmap', async () => {
    const block = bytes(64 * 1024);
    const bitmap = Buffer.from([0b1010_0000]);
    const size = 3 * 64 * 1024 + 512 * 5;
    const blocks = new Map([
      [1, { bytes: block }],
      [3, { bytes: block, bitmap }],
    ]);
    const files = new MemoryFiles({ '/a': vhdImage({ ...SMALL, kind: 'dynamic', size, blocks }) });
    const expected = Buffer.alloc(size);
    block.copy(expected, 64 * 1024);
    block.copy(expected, 3 * 64 * 1024, 0, 512);
    block.copy(expected, 3 * 64 * 1024 + 1024, 1024, 1536);
    expect((await readImage(files, '/a')).equals(expected)).toBe(true);
    expect((await readImage(files, '/a', { step: 700 })).equals(expected)).toBe(true);
  });

  it('uses the copy of the footer when the tail is damaged or cut off', async () => {
    const block = bytes(64 * 1024);
    const options: VhdOptions = {
      ...SMALL,
      kind: 'dynamic',
      size: M,
      blocks: new Map([[0, { bytes: block }]]),
    };
    const image = vhdImage(options);
    const damaged = Buffer.from(image);
    damaged.writeUInt8(0, damaged.length - 512);
    const expected = Buffer.alloc(M);
    block.copy(expected);
    for (const bad of [damaged, image.subarray(0, -512), image.subarray(0, -1)]) {
      const files = new MemoryFiles({ '/a': bad });
      expect((await readImage(files, '/a')).equals(expected)).toBe(true);
    }
  });

  it('refuses wrong checksums', async () => {
    const image = vhdImage({ ...SMALL, kind: 'dynamic', size: M });
    const header = Buffer.from(image);
    header.writeUInt8(header.readUInt8(512 + 64) ^ 1, 512 + 64);
    expect((await faultOf(open(new MemoryFiles({ '/a': header }), '/a'))).details.field).toBe(
      'dynamic header checksum',
    );
    const footers = Buffer.from(image);
    footers.writeUInt8(1, 100);
    footers.writeUInt8(1, footers.length - 512 + 100);
    const fault = await faultOf(open(new MemoryFiles({ '/a': footers }), '/a', 'vhd'));
    expect([fault.code, fault.details.field]).toEqual(['IMAGE_INVALID', 'footer checksum']);
  });

  it.each<[string, (header: Buffer) => void, string]>([
    ['a block size of 0', (h) => h.writeUInt32BE(0, 32), 'block size'],
    ['a block size of 3 MiB', (h) => h.writeUInt32BE(3 * M, 32), 'block size'],
    ['a block size of 2 GiB', (h) => h.writeUInt32BE(2 ** 31, 32), 'block size'],
    ['too few entries', (h) => h.writeUInt32BE(1, 28), 'max table entries'],
    ['a table beyond the end', (h) => h.writeBigUInt64BE(1n << 60n, 16), 'table offset'],
  ])('names the field: %s', async (_name, damage, field) => {
    const image = vhdImage({ ...SMALL, kind: 'dynamic', size: M });
    const header = image.subarray(512, 1536);
    damage(header);
    header.writeUInt32BE(checksum(header, 36), 36);
    const fault = await faultOf(open(new MemoryFiles({ '/a': image }), '/a'));
    expect([fault.code, fault.details.field]).toEqual(['IMAGE_INVALID', field]);
  });

  it('refuses a block beyond the end', async () => {
    const image = vhdImage({ ...SMALL, kind: 'dynamic', size: M });
    image.writeUInt32BE(0xffff_fff0, 1536);
    const fault = await faultOf(readImage(new MemoryFiles({ '/a': image }), '/a'));
    expect(fault.details.field).toBe('sector bitmap of block 0');
  });
});

describe('differencing VHD', () => {
  const parentBytes = bytes(64 * 1024);
  const childBytes = bytes(64 * 1024);
  const parent = vhdImage({
    ...SMALL,
    kind: 'dynamic',
    size: M,
    blocks: new Map([
      [0, { bytes: parentBytes }],
      [2, { bytes: parentBytes }],
    ]),
  });
  const child = (over: Partial<VhdOptions>) =>
    vhdImage({
      ...SMALL,
      uniqueId: ID_B,
      kind: 'differencing',
      size: M,
      parentId: ID_A,
      blocks: new Map([
        // Sectors 1 and 3 of block 0 are the child's; all of block 1.
        [0, { bytes: childBytes, bitmap: Buffer.from([0b0101_0000]) }],
        [1, { bytes: childBytes }],
      ]),
      ...over,
    });
  const expected = Buffer.alloc(M);
  parentBytes.copy(expected);
  childBytes.copy(expected, 512, 512, 1024);
  childBytes.copy(expected, 1536, 1536, 2048);
  childBytes.copy(expected, 64 * 1024);
  parentBytes.copy(expected, 128 * 1024);

  it.each<[string, Partial<VhdOptions>, string]>([
    [
      'a relative Windows path',
      { locators: [{ platform: 'W2ru', text: '.\\bases\\base.vhd' }] },
      '/vm/bases/base.vhd',
    ],
    ['a path up', { locators: [{ platform: 'W2ru', text: '..\\base.vhd' }] }, '/base.vhd'],
    [
      'a file URL',
      { locators: [{ platform: 'MacX', text: 'file:///images/base%20one.vhd' }] },
      '/images/base one.vhd',
    ],
    [
      'the bare name of an absolute Windows path',
      { locators: [{ platform: 'W2ku', text: 'D:\\VMs\\base.vhd' }] },
      '/vm/base.vhd',
    ],
    ['the parent name alone', { parentName: 'C:\\old\\base.vhd' }, '/vm/base.vhd'],
    [
      'the second locator',
      {
        locators: [
          { platform: 'W2ru', text: '.\\gone.vhd' },
          { platform: 'W2ku', text: 'X:\\base.vhd' },
        ],
      },
      '/vm/base.vhd',
    ],
  ])('finds its parent by %s', async (_name, over, parentPath) => {
    const files = new MemoryFiles({ '/vm/child.vhd': child(over), [parentPath]: parent });
    expect((await readImage(files, '/vm/child.vhd')).equals(expected)).toBe(true);
  });

  it('reads a chain of three with unlike block sizes', async () => {
    const top = vhdImage({
      kind: 'differencing',
      size: M,
      uniqueId: ID_C,
      parentId: ID_B,
      parentName: 'child.vhd',
      blockBytes: 512 * 1024,
      blocks: new Map([[0, { bytes: childBytes, bitmap: Buffer.from([0b1000_0000]) }]]),
    });
    const files = new MemoryFiles({
      '/vm/top.vhd': top,
      '/vm/child.vhd': child({ parentName: 'base.vhd' }),
      '/vm/base.vhd': parent,
    });
    const three = Buffer.from(expected);
    childBytes.copy(three, 0, 0, 512);
    expect((await readImage(files, '/vm/top.vhd')).equals(three)).toBe(true);
  });

  it('refuses a parent with another unique id, and a missing one', async () => {
    const files = new MemoryFiles({
      '/vm/c': child({ parentName: 'base.vhd', parentId: ID_C }),
      '/vm/base.vhd': parent,
    });
    expect((await faultOf(open(files, '/vm/c'))).details.field).toBe('parent unique id');
    files.files.delete('/vm/base.vhd');
    const fault = await faultOf(open(files, '/vm/c'));
    expect([fault.code, fault.details.value]).toEqual(['BACKING_FILE_MISSING', '/vm/base.vhd']);
    expect(files.open).toBe(0);
  });

  it('refuses to be its own grandparent', async () => {
    const a = child({ uniqueId: ID_A, parentId: ID_B, parentName: 'b' });
    const b = child({ uniqueId: ID_B, parentId: ID_A, parentName: 'a' });
    const fault = await faultOf(open(new MemoryFiles({ '/a': a, '/b': b }), '/a'));
    expect(fault.code).toBe('IMAGE_INVALID');
  });

  it('refuses a locator that is too long or beyond the end', async () => {
    for (const [at, field] of [
      [576 + 8, 'length'],
      [576 + 16, 'offset'],
    ] as const) {
      const image = child({ locators: [{ platform: 'W2ru', text: 'base.vhd' }] });
      const header = image.subarray(512, 1536);
      header.writeUInt32BE(0x7fff_ffff, at);
      header.writeUInt32BE(checksum(header, 36), 36);
      const fault = await faultOf(open(new MemoryFiles({ '/a': image }), '/a'));
      expect([fault.code, fault.details.field], field).toEqual([
        'IMAGE_INVALID',
        'parent locator W2ru',
      ]);
    }
  });
});
