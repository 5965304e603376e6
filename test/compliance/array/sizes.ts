import { describe, expect, test } from 'vitest';
import type { ArrayVolume } from '../../../src/repositories/index.ts';
import { type ArrayBench, expectSame, newTag, opId, outcome, readAll, scribble } from './bench.ts';

export function testSizes(bench: ArrayBench): void {
  const resize = (volume: ArrayVolume, size: number): Promise<ArrayVolume> =>
    bench.control.resizeVolume({ opId: opId(), ref: volume.ref, size });
  const grows = (): boolean => bench.can('resizeOnline') || bench.can('resizeOffline');

  describe('sizes', () => {
    test('odd ones are rounded up, and what came of it is reported and real', async () => {
      for (const size of [bench.size + 1, bench.size + 511, bench.size + 12_345]) {
        const tag = newTag();
        const volume = await bench.create({ size, tag });
        expect(volume.size).toBe(bench.rounded(size));
        await bench.use(volume, async (device) => {
          expect(device.geometry.size).toBe(volume.size);
        });
        // The same request again is the same wish, although the sizes differ by then.
        expect((await bench.create({ size, tag })).ref).toEqual(volume.ref);
      }
    });

    test('that no volume can have are refused, and nothing is made', async () => {
      const { sizeMaximum } = bench.control.info.limits;
      for (const size of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
        const code = await outcome(bench.create({ size }));
        expect(['INVALID_ARGUMENT', 'OUT_OF_RANGE'], String(size)).toContain(code);
      }
      if (sizeMaximum < 2 ** 52) {
        expect(await outcome(bench.create({ size: sizeMaximum + 1 }))).toBe('OUT_OF_RANGE');
      }
      expect(await bench.listAll(true)).toEqual([]);
    });

    test('grow by one byte, which is rounded up', async () => {
      if (!grows()) return;
      const { volume, content } = await bench.createFilled(1);
      const grown = await resize(volume, volume.size + 1);
      expect(grown.size).toBe(bench.rounded(volume.size + 1));
      expect(grown.ref).toEqual(volume.ref);
      expect(await bench.control.findVolume({ ref: volume.ref })).toEqual(grown);
      const larger = Buffer.concat([content, Buffer.alloc(grown.size - volume.size)]);
      await bench.expectContent(grown, larger, 'after one more byte');
    });

    test('grow twice in big steps while attached, with the data intact', async () => {
      if (!grows()) return;
      const { volume, content } = await bench.createFilled(2);
      const { device, detach } = await bench.open(volume, true);
      if (!bench.can('resizeOnline')) {
        expect(await outcome(resize(volume, volume.size * 2))).toBe('IN_USE');
        await detach();
        expect((await resize(volume, volume.size * 2)).size).toBe(bench.rounded(volume.size * 2));
        return;
      }
      let expected = content;
      for (const factor of [4, 16]) {
        const grown = await resize(volume, volume.size * factor);
        expect(grown.size).toBe(bench.rounded(volume.size * factor));
        // Whoever had it open goes on in the size it had.
        await scribble(device, expected.subarray(0, volume.size), factor);
        await device.flush();
        expectSame(await readAll(device), expected.subarray(0, volume.size), 'the old handle');
        expected = Buffer.concat([expected, Buffer.alloc(grown.size - expected.length)]);
        await bench.expectContent(grown, expected, `grown ${factor} times`);
        const again = await bench.open(grown, true);
        await scribble(again.device, expected, factor + 1);
        await again.device.flush();
        expectSame(await readAll(again.device), expected, 'the new handle');
        if (bench.subject.host === undefined) await again.detach();
      }
      await bench.detachAll();
      await bench.expectContent(await find(volume), expected, 'in the end');
    });

    test('that it has already change nothing; smaller ones are refused', async () => {
      if (!grows()) return;
      const { volume, content } = await bench.createFilled(3);
      expect((await resize(volume, volume.size)).size).toBe(volume.size);
      const { sizeGranularity, sizeMinimum } = bench.control.info.limits;
      for (const size of [volume.size - sizeGranularity, sizeMinimum]) {
        if (size < 1 || size >= volume.size) continue;
        expect(await outcome(resize(volume, size)), String(size)).toBe('SHRINK_REFUSED');
      }
      expect((await find(volume)).size).toBe(volume.size);
      await bench.expectContent(volume, content, 'after shrinking was refused');
    });

    test('of nothing cannot change', async () => {
      if (!grows()) return;
      const volume = await bench.create();
      await bench.delete(volume);
      expect(await outcome(resize(volume, volume.size * 2))).toBe('NOT_FOUND');
    });

    test('grow to what several ask for at the same time', async () => {
      if (!grows()) return;
      const volume = await bench.create();
      const codes = await Promise.all(
        [2, 4, 4, 3].map((n) => outcome(resize(volume, volume.size * n))),
      );
      for (const code of codes) expect(['done', 'SHRINK_REFUSED', 'BUSY']).toContain(code);
      expect((await find(volume)).size).toBe(bench.rounded(volume.size * 4));
    });
  });

  async function find(volume: ArrayVolume): Promise<ArrayVolume> {
    const found = await bench.control.findVolume({ ref: volume.ref });
    if (found === undefined) throw new Error(`${volume.ref.name} is gone`);
    return found;
  }
}
