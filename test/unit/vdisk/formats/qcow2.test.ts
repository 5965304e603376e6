import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../support/seed.ts';
import { MemoryFiles } from './memory-files.ts';
import { type Cluster, qcow2Image } from './qcow2-images.ts';
import { faultOf, open, readImage } from './read-image.ts';

const K = 1024;
const random = seededRandom();

function bytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
}

function text(length: number, mark: string): Buffer {
  return Buffer.alloc(length, `${mark} is compressible. `);
}

describe('qcow2', () => {
  it('reads data, compressed, zero and unallocated clusters, version 3', async () => {
    for (const zstd of [false, true]) {
      const data = bytes(64 * K);
      const packed = text(64 * K, zstd ? 'zstd' : 'zlib');
      const clusters = new Map<number, Cluster>([
        [0, { kind: 'data', bytes: data }],
        [2, { kind: 'compressed', bytes: packed }],
        [3, { kind: 'zero' }],
        [4, { kind: 'data', bytes: data }],
        [5, { kind: 'data', bytes: packed }],
      ]);
      const files = new MemoryFiles({ '/a': qcow2Image({ size: 7 * 64 * K, clusters, zstd }) });
      const zero = Buffer.alloc(64 * K);
      const expected = Buffer.concat([data, zero, packed, zero, data, packed, zero]);
      expect((await readImage(files, '/a')).equals(expected)).toBe(true);
      expect((await readImage(files, '/a', { step: 777 })).equals(expected)).toBe(true);
    }
  });

  it('reads the first cluster, the last sector and the one table of a sparse 10 TiB disk', async () => {
    const size = 10 * 2 ** 40;
    const last = size / (64 * K) - 1;
    const clusters = new Map<number, Cluster>([[last, { kind: 'data', bytes: text(64 * K, 'x') }]]);
    const files = new MemoryFiles({ '/a': qcow2Image({ size, clusters }) });
    const reader = await open(files, '/a');
    const run = await reader.run(0, size);
    expect(run.kind).toBe('zero');
    const sector = Buffer.alloc(512);
    await reader.read(sector, size - 512);
    expect(sector.equals(text(64 * K, 'x').subarray(-512))).toBe(true);
    await reader.close();
  });

  it('reads subclusters: allocated, zero and from the backing file', async () => {
    const sub = 2 * K;
    const backing = bytes(64 * K);
    const top = bytes(64 * K);
    // Subcluster 0 and 31 allocated, 1 zero, the rest from the backing file.
    const bitmap = (1n << 0n) | (1n << 31n) | (1n << 33n);
    const image = qcow2Image({
      size: 64 * K,
      clusters: new Map([[0, { kind: 'sub', bytes: top, bitmap }]]),
      extended: true,
      backing: 'base',
      backingFormat: 'raw',
    });
    const files = new MemoryFiles({ '/dir/top': image, '/dir/base': backing });
    const expected = Buffer.from(backing);
    top.copy(expected, 0, 0, sub);
    expected.fill(0, sub, 2 * sub);
    top.copy(expected, 31 * sub, 31 * sub);
    expect((await readImage(files, '/dir/top')).equals(expected)).toBe(true);
  });

  it('refuses a subcluster that is both allocated and zero', async () => {
    const bitmap = 1n | (1n << 32n);
    const clusters = new Map<number, Cluster>([[0, { kind: 'sub', bytes: bytes(512), bitmap }]]);
    const files = new MemoryFiles({ '/a': qcow2Image({ size: 64 * K, clusters, extended: true }) });
    expect((await faultOf(readImage(files, '/a'))).code).toBe('IMAGE_INVALID');
  });

  it('follows a chain; a backing file that is smaller reads as zeroes beyond its end', async () => {
    const base = bytes(70 * K);
    const own = bytes(64 * K);
    const middle = qcow2Image({
      size: 128 * K,
      clusters: new Map(),
      version: 2,
      backing: 'base.raw',
      backingFormat: 'raw',
    });
    const top = qcow2Image({
      size: 192 * K,
      clusters: new Map([[2, { kind: 'data', bytes: own }]]),
      backing: '/dir/middle',
    });
    const files = new MemoryFiles({ '/dir/base.raw': base, '/dir/middle': middle, '/top': top });
    const expected = Buffer.alloc(192 * K);
    base.copy(expected);
    own.copy(expected, 128 * K);
    expect((await readImage(files, '/top')).equals(expected)).toBe(true);
    const reader = await open(files, '/top');
    const whole = Buffer.alloc(192 * K, 0x5a);
    await reader.read(whole, 0);
    await reader.close();
    expect(whole.equals(expected)).toBe(true);
  });

  it('refuses a cluster that starts at the end, fills up one that is cut short', async () => {
    const own = bytes(64 * K);
    const clusters = new Map<number, Cluster>([[0, { kind: 'data', bytes: own }]]);
    const image = qcow2Image({ size: 64 * K, clusters });
    const short = new MemoryFiles({ '/a': image.subarray(0, -60 * K) });
    const expected = Buffer.concat([own.subarray(0, 4 * K), Buffer.alloc(60 * K)]);
    expect((await readImage(short, '/a')).equals(expected)).toBe(true);
    const none = new MemoryFiles({ '/a': image.subarray(0, -64 * K) });
    const fault = await faultOf(readImage(none, '/a'));
    expect(fault.details.field).toBe('L2 entry of disk offset 0');
  });

  it('closes the data file when the backing file is missing', async () => {
    const image = qcow2Image({
      size: 64 * K,
      clusters: new Map(),
      incompatible: 4n,
      backingFormat: 'disk',
      backing: 'gone',
    });
    image.writeUInt32BE(0x44415441, 112); // the one extension becomes the data file's name
    const files = new MemoryFiles({ '/a': image, '/disk': Buffer.alloc(64 * K) });
    expect((await faultOf(open(files, '/a'))).details.value).toBe('/gone');
    expect(files.open).toBe(0);
  });

  it('takes the backing format at its word: a raw file that looks like qcow2 stays raw', async () => {
    const trap = qcow2Image({ size: 64 * K, clusters: new Map(), backing: '/etc/shadow' });
    const top = qcow2Image({
      size: trap.length,
      clusters: new Map(),
      backing: 'disk',
      backingFormat: 'raw',
    });
    const files = new MemoryFiles({ '/disk': trap, '/top': top });
    expect((await readImage(files, '/top')).equals(trap)).toBe(true);
    expect((await readImage(files, '/disk', { format: 'raw' })).equals(trap)).toBe(true);
  });

  it('names the missing backing file and who asks for it', async () => {
    const top = qcow2Image({ size: 64 * K, clusters: new Map(), backing: 'gone.qcow2' });
    const files = new MemoryFiles({ '/dir/top': top });
    const fault = await faultOf(open(files, '/dir/top'));
    expect(fault.code).toBe('BACKING_FILE_MISSING');
    expect(fault.message).toContain('/dir/top');
    expect(fault.details.value).toBe('/dir/gone.qcow2');
    expect(files.open).toBe(0);
  });

  it('refuses loops, long chains and backing files that are no files', async () => {
    const link = (backing: string) => qcow2Image({ size: 64 * K, clusters: new Map(), backing });
    const files = new MemoryFiles({ '/a': link('b'), '/b': link('a'), '/n': link('nbd://host/x') });
    expect((await faultOf(open(files, '/a'))).code).toBe('IMAGE_INVALID');
    expect((await faultOf(open(files, '/n'))).code).toBe('IMAGE_UNSUPPORTED');
    for (let index = 0; index < 65; index += 1)
      files.files.set(`/c${index}`, link(`c${index + 1}`));
    const fault = await faultOf(open(files, '/c0'));
    expect(fault.code).toBe('IMAGE_UNSUPPORTED');
    expect(fault.message).toContain('CHAIN_DEPTH_MAX');
    expect(files.open).toBe(0);
  });

  it('reads an image with the dirty bit: only refcounts may be stale', async () => {
    const data = bytes(64 * K);
    const clusters = new Map<number, Cluster>([[0, { kind: 'data', bytes: data }]]);
    const files = new MemoryFiles({
      '/a': qcow2Image({ size: 64 * K, clusters, incompatible: 1n }),
    });
    expect((await readImage(files, '/a')).equals(data)).toBe(true);
  });

  it.each<[string, (image: Buffer) => void, string, string]>([
    [
      'the corrupt bit',
      (i) => i.writeBigUInt64BE(2n, 72),
      'IMAGE_INVALID',
      'incompatible_features',
    ],
    [
      'an unknown feature',
      (i) => i.writeBigUInt64BE(1n << 40n, 72),
      'IMAGE_UNSUPPORTED',
      'incompatible_features',
    ],
    ['encryption', (i) => i.writeUInt32BE(2, 32), 'IMAGE_UNSUPPORTED', 'crypt_method'],
    ['version 4', (i) => i.writeUInt32BE(4, 4), 'IMAGE_UNSUPPORTED', 'version'],
    ['cluster_bits 8', (i) => i.writeUInt32BE(8, 20), 'IMAGE_INVALID', 'cluster_bits'],
    ['cluster_bits 64', (i) => i.writeUInt32BE(64, 20), 'IMAGE_INVALID', 'cluster_bits'],
    ['a size of 2^63', (i) => i.writeBigUInt64BE(1n << 63n, 24), 'IMAGE_UNSUPPORTED', 'size'],
    ['l1_size 0', (i) => i.writeUInt32BE(0, 36), 'IMAGE_INVALID', 'l1_size'],
    ['a huge l1_size', (i) => i.writeUInt32BE(0xffff_ffff, 36), 'IMAGE_INVALID', 'l1_size'],
    [
      'an L1 table beyond the end',
      (i) => i.writeBigUInt64BE(1n << 40n, 40),
      'IMAGE_INVALID',
      'l1_table_offset',
    ],
    [
      'an unaligned L1 table',
      (i) => i.writeBigUInt64BE(65_537n, 40),
      'IMAGE_INVALID',
      'l1_table_offset',
    ],
    ['a header of 8 bytes', (i) => i.writeUInt32BE(8, 100), 'IMAGE_INVALID', 'header_length'],
    [
      'a header longer than a cluster',
      (i) => i.writeUInt32BE(0x8000_0000, 100),
      'IMAGE_INVALID',
      'header_length',
    ],
    [
      'compression type 9',
      (i) => {
        i.writeBigUInt64BE(8n, 72);
        i.writeUInt8(9, 104);
      },
      'IMAGE_UNSUPPORTED',
      'compression_type',
    ],
    [
      'an overlong extension',
      (i) => {
        i.writeUInt32BE(77, 112);
        i.writeUInt32BE(0xffff_fff0, 116);
      },
      'IMAGE_INVALID',
      'length of header extension 0x4d',
    ],
    [
      'a backing name of 2000 bytes',
      (i) => {
        i.writeBigUInt64BE(200n, 8);
        i.writeUInt32BE(2000, 16);
      },
      'IMAGE_INVALID',
      'backing_file_size',
    ],
    [
      'a backing name inside the header',
      (i) => {
        i.writeBigUInt64BE(50n, 8);
        i.writeUInt32BE(5, 16);
      },
      'IMAGE_INVALID',
      'backing_file_offset',
    ],
    [
      'a backing name beyond the cluster',
      (i) => {
        i.writeBigUInt64BE(65_530n, 8);
        i.writeUInt32BE(500, 16);
      },
      'IMAGE_INVALID',
      'backing_file_offset',
    ],
    [
      'an L2 table beyond the end',
      (i) => i.writeBigUInt64BE(1n << 40n, 65_536),
      'IMAGE_INVALID',
      'L1 entry 0: level-2 table',
    ],
    [
      'an unaligned L2 table',
      (i) => i.writeBigUInt64BE(0x20200n, 65_536),
      'IMAGE_INVALID',
      'L1 entry 0',
    ],
    [
      'a cluster beyond the end',
      (i) => i.writeBigUInt64BE(1n << 40n, 131_072),
      'IMAGE_INVALID',
      'L2 entry of disk offset 0',
    ],
    [
      'an unaligned cluster',
      (i) => i.writeBigUInt64BE(0x30200n, 131_072),
      'IMAGE_INVALID',
      'L2 entry of disk offset 0',
    ],
    [
      'a compressed cluster beyond the end',
      (i) => i.writeBigUInt64BE((1n << 62n) | (1n << 40n), 131_072),
      'IMAGE_INVALID',
      'L2 entry of disk offset 0',
    ],
    [
      'a compressed cluster of rubbish',
      (i) => i.writeBigUInt64BE((1n << 62n) | 0x30000n, 131_072),
      'IMAGE_INVALID',
      'compressed cluster of disk offset 0',
    ],
  ])('names the field: %s', async (_name, damage, code, field) => {
    const clusters = new Map<number, Cluster>([
      [0, { kind: 'data', bytes: Buffer.alloc(64 * K, 0xff) }],
    ]);
    const image = qcow2Image({ size: 256 * K, clusters });
    damage(image);
    const files = new MemoryFiles({ '/a': image });
    const fault = await faultOf(readImage(files, '/a'));
    expect(fault.code).toBe(code);
    expect(fault.message).toContain('/a');
    expect(fault.details.field).toBe(field);
    expect(files.open).toBe(0);
  });

  it('refuses a zero cluster in version 2', async () => {
    const clusters = new Map<number, Cluster>([[0, { kind: 'zero' }]]);
    const files = new MemoryFiles({ '/a': qcow2Image({ size: 64 * K, clusters, version: 2 }) });
    expect((await faultOf(readImage(files, '/a'))).code).toBe('IMAGE_INVALID');
  });
});
