import { constants, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  clusterOffset,
  compressedCluster,
  l2TableOffset,
} from '../../../../src/vdisk/formats/qcow2-entry.ts';
import { zstdFrameLength } from '../../../../src/vdisk/formats/zstd-frame.ts';
import { seededRandom } from '../../../support/seed.ts';

describe('qcow2 entries', () => {
  it('hold an offset in bits 9 to 55', () => {
    const all = 0xffff_ffff_ffff_ffffn;
    expect(clusterOffset(all)).toBe(2 ** 56 - 2 ** 9);
    expect(l2TableOffset(all)).toBe(2 ** 56 - 2 ** 9);
    expect(clusterOffset(1n << 55n)).toBe(2 ** 55);
    expect(clusterOffset((1n << 56n) | (1n << 8n))).toBe(0);
  });

  it('divide a compressed descriptor by the cluster size', () => {
    // 64 KiB clusters: x = 62 - (16 - 8) = 54.
    const entry = (1n << 62n) | (3n << 54n) | 0x12_3456n;
    expect(compressedCluster(entry, 16)).toEqual({
      offset: 0x12_3456,
      length: 4 * 512 - (0x12_3456 % 512),
    });
    // 2 MiB clusters: x = 49.
    expect(compressedCluster((1n << 62n) | (8191n << 49n) | 512n, 21)).toEqual({
      offset: 512,
      length: 8192 * 512,
    });
  });
});

describe('a zstd frame', () => {
  const random = seededRandom();
  const noise = Buffer.from(Array.from({ length: 300_000 }, () => Math.floor(random() * 256)));

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['zeroes', Buffer.alloc(400_000)],
    ['text', Buffer.alloc(200_000, 'some text ')],
    ['noise', noise],
  ])('ends where it ends, whatever follows: %s', (_name, content) => {
    for (const checksum of [0, 1]) {
      const frame = zstdCompressSync(content, {
        params: { [constants.ZSTD_c_checksumFlag]: checksum },
      });
      expect(zstdFrameLength(frame)).toBe(frame.length);
      expect(zstdFrameLength(Buffer.concat([frame, frame]))).toBe(frame.length);
      for (const cut of [0, 3, 5, frame.length - 1]) {
        expect(() => zstdFrameLength(frame.subarray(0, cut))).toThrow(RangeError);
      }
    }
  });
});
