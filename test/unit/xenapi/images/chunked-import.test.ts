import { describe, expect, it } from 'vitest';
import { MemoryDevice } from '../../../../src/block/index.ts';
import { contentOf, dirty, expectSame, imported, K, limited, M, piecesOf } from './transfers.ts';

function frame(offset: number | bigint, length: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(offset), 0);
  head.writeUInt32LE(length, 8);
  return Buffer.concat([head, data]);
}

const part = (offset: number, data: Buffer): Buffer => frame(offset, data.length, data);
const END = frame(0, 0);
const SIZE = 3 * M;

const take = (target: MemoryDevice, bytes: Buffer, more = {}): Promise<void> =>
  imported('raw', bytes, target, { isChunked: true, ...more });

describe('frames of a raw disk', () => {
  it('come in any order, over each other, and leave alone what they do not cover', async () => {
    for (const minimumIo of [1, 512, 4 * K]) {
      const target = dirty(SIZE, minimumIo);
      const wanted = contentOf(target);
      const parts: [number, Buffer][] = [
        [2 * M, Buffer.alloc(M, 'x')],
        [512, Buffer.alloc(1536, 'y')],
        [2 * M + 700, Buffer.alloc(100, 'z')],
        [M - 5, Buffer.alloc(200 * K)],
        [SIZE - 1, Buffer.from('!')],
        [0, Buffer.from('first')],
      ];
      for (const [offset, data] of parts) data.copy(wanted, offset);
      const bytes = Buffer.concat([...parts.map(([offset, data]) => part(offset, data)), END]);
      await imported('raw', piecesOf(bytes, 13_001), target, { isChunked: true });
      expectSame(contentOf(target), wanted);
    }
  });

  it('with zeroes over data clear it, also on a disk that was made for them', async () => {
    const target = new MemoryDevice({ size: SIZE });
    const bytes = Buffer.concat([part(0, Buffer.alloc(M, 'x')), part(0, Buffer.alloc(M)), END]);
    await take(target, bytes, { isZeroed: true });
    expectSame(contentOf(target), Buffer.alloc(SIZE));
    expect(target.allocatedBytes).toBe(0);
  });

  it('with nothing in them mean nothing, but at the beginning of the disk', async () => {
    const target = dirty(SIZE);
    const wanted = contentOf(target);
    await take(target, Buffer.concat([frame(M, 0), frame(5, 0), END]));
    expectSame(contentOf(target), wanted);
  });

  it('end with the last one: what follows is not read', async () => {
    const target = dirty(SIZE);
    const wanted = contentOf(target);
    await take(target, Buffer.concat([END, part(0, Buffer.alloc(M))]));
    expectSame(contentOf(target), wanted);
  });

  it.each<[string, Buffer]>([
    ['beyond the end', part(SIZE - 10, Buffer.alloc(11))],
    ['far beyond the end', frame(2n ** 63n, 1)],
    ['beyond what a number holds', frame(2n ** 64n - 1n, 2)],
    ['longer than the disk', frame(0, 2 ** 32 - 1)],
  ])('are refused: %s', async (_name, bytes) => {
    const refused = take(dirty(SIZE), Buffer.concat([bytes, END]));
    await expect(refused).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });

  it('go to a device that cannot clear', async () => {
    const memory = dirty(SIZE);
    const target = limited(memory, { zero: false, extents: false });
    const bytes = Buffer.concat([part(100, Buffer.alloc(2 * M)), END]);
    await imported('raw', bytes, target, { isChunked: true });
    const wanted = contentOf(dirty(SIZE)).fill(0, 100, 100 + 2 * M);
    expectSame(contentOf(memory), wanted);
  });
});
