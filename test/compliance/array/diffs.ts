import { describe, expect, test } from 'vitest';
import { type Extent, PLAIN } from '../../../src/block/index.ts';
import { ArrayError } from '../../../src/errors/index.ts';
import type { ArrayRef, ArraySnapshot } from '../../../src/repositories/index.ts';
import { SEED, seededRandom } from '../../support/seed.ts';
import { type ArrayBench, opId, outcome, present, writeAtRandom } from './bench.ts';

const ROUNDS = 6;

export function testDiffs(bench: ArrayBench): void {
  const ask = async (
    from: ArrayRef | undefined,
    to: ArrayRef,
    size: number,
    limit: number,
  ): Promise<Extent[]> => {
    const diff = present(bench.snapshots.diff?.bind(bench.snapshots), 'diff');
    const all: Extent[] = [];
    for (let offset = 0; offset < size; ) {
      const some = await diff({ from, to, offset, length: size - offset, limit });
      expect(some.length).toBeLessThanOrEqual(limit);
      for (const extent of some) {
        expect(extent.offset).toBeGreaterThanOrEqual(offset);
        expect(extent.length).toBeGreaterThan(0);
        expect(['data', 'hole']).toContain(extent.kind);
        offset = extent.offset + extent.length;
        expect(offset).toBeLessThanOrEqual(size);
        all.push(extent);
      }
      if (some.length < limit) break;
    }
    return all;
  };

  /** Everything outside of the extents is the same in both; what is called a hole is zeroes in `to`. */
  const check = (extents: readonly Extent[], from: Buffer, to: Buffer): void => {
    let at = 0;
    for (const { offset, length, kind } of [
      ...extents,
      { offset: to.length, length: 0, kind: '' },
    ]) {
      const same = from.subarray(at, offset).equals(to.subarray(at, offset));
      expect(same, `a change between ${at} and ${offset} is missing, seed ${SEED}`).toBe(true);
      at = offset + length;
      if (kind !== 'hole') continue;
      const zeroes = to.subarray(offset, at).equals(Buffer.alloc(length));
      expect(zeroes, `not a hole at ${offset}+${length}, seed ${SEED}`).toBe(true);
    }
  };

  describe('differences between snapshots', () => {
    test('miss no change, whatever was written', async () => {
      if (!bench.can('changedBlocks')) return;
      const random = seededRandom();
      const volume = await bench.create();
      const content = Buffer.alloc(volume.size);
      const taken: { snapshot: ArraySnapshot; held: Buffer }[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        await bench.use(volume, async (device) => {
          await writeAtRandom(device, content, random, Math.floor(random() * 6));
          const length = Math.min(device.geometry.size, 256 * 1024);
          if (round % 2 === 1 && device.capabilities.zero) {
            await device.zero(0, length, { fua: false, noHole: false, fast: false });
            content.fill(0, 0, length);
          }
        });
        taken.push({ snapshot: await bench.snapshot(volume), held: Buffer.from(content) });
      }
      for (const [index, to] of taken.entries()) {
        const whole = await ask(undefined, to.snapshot.ref, volume.size, 1000);
        check(whole, Buffer.alloc(volume.size), to.held);
        for (const from of taken.slice(0, index)) {
          for (const limit of [2, 1000]) {
            const extents = await ask(from.snapshot.ref, to.snapshot.ref, volume.size, limit);
            check(extents, from.held, to.held);
          }
        }
      }
    });

    test('miss no change across a revert, nor across a snapshot that is gone', async () => {
      if (!bench.can('changedBlocks') || !bench.can('revert')) return;
      const revert = present(bench.snapshots.revert?.bind(bench.snapshots), 'revert');
      const random = seededRandom();
      const volume = await bench.create();
      const { size } = volume;
      let content = Buffer.alloc(size);
      const taken: { snapshot: ArraySnapshot; held: Buffer }[] = [];
      const take = async (): Promise<void> => {
        await bench.use(volume, async (device) => {
          await writeAtRandom(device, content, random, 5);
          const length = Math.min(size, 64 * 1024);
          if (!device.capabilities.zero) return;
          const at = Math.floor((random() * size) / length) * length;
          await device.zero(at, Math.min(length, size - at), {
            fua: false,
            noHole: false,
            fast: false,
          });
          content.fill(0, at, at + length);
        });
        taken.push({ snapshot: await bench.snapshot(volume), held: Buffer.from(content) });
      };
      for (let round = 0; round < 3; round += 1) await take();
      if (bench.can('revertKeepsNewer')) {
        const [oldest] = taken;
        const to = present(oldest, 'a snapshot');
        await revert({ opId: opId(), volume: volume.ref, snapshot: to.snapshot.ref });
        content = Buffer.from(to.held);
        // What is reverted alone, and what is written after it.
        taken.push({ snapshot: await bench.snapshot(volume), held: Buffer.from(content) });
      }
      for (let round = 0; round < 2; round += 1) await take();
      const [gone] = taken.splice(2, 1);
      await bench.delete(present(gone, 'a snapshot').snapshot);
      for (const [index, to] of taken.entries()) {
        for (const from of taken.slice(0, index)) {
          check(await ask(from.snapshot.ref, to.snapshot.ref, size, 1000), from.held, to.held);
        }
      }
    });

    test('up to a volume that is written to miss nothing that was flushed', async () => {
      if (!bench.can('changedBlocks') || bench.snapshots.diffsVolumes !== true) return;
      const random = seededRandom();
      const volume = await bench.create();
      const content = Buffer.alloc(volume.size);
      const taken: { snapshot: ArraySnapshot; held: Buffer }[] = [];
      await bench.use(volume, async (device) => {
        for (let round = 0; round < ROUNDS; round += 1) {
          await writeAtRandom(device, content, random, 3);
          if (device.capabilities.flush) await device.flush();
          for (const { snapshot, held } of taken) {
            check(await ask(snapshot.ref, volume.ref, volume.size, 1000), held, content);
          }
          if (round % 2 === 1) continue;
          taken.push({ snapshot: await bench.snapshot(volume), held: Buffer.from(content) });
          const [nothing] = await ask(taken.at(-1)?.snapshot.ref, volume.ref, volume.size, 1000);
          expect(nothing).toBeUndefined();
        }
      });
    });

    test('of the same moment are none', async () => {
      if (!bench.can('changedBlocks')) return;
      const { volume } = await bench.createFilled(1);
      const first = await bench.snapshot(volume);
      const second = await bench.snapshot(volume);
      expect(await ask(first.ref, second.ref, volume.size, 100)).toEqual([]);
    });

    test('of a range stay within it', async () => {
      if (!bench.can('changedBlocks')) return;
      const { volume } = await bench.createFilled(1);
      const first = await bench.snapshot(volume);
      await bench.use(volume, async (device) => {
        await device.write(Buffer.alloc(volume.size / 2, 7), 0, PLAIN);
      });
      const second = await bench.snapshot(volume);
      const diff = present(bench.snapshots.diff?.bind(bench.snapshots), 'diff');
      const range = { from: first.ref, to: second.ref, limit: 100 };
      const [offset, length] = [volume.size / 4, volume.size / 8];
      const inside = await diff({ ...range, offset, length });
      for (const extent of inside) {
        expect(extent.offset).toBeGreaterThanOrEqual(offset);
        expect(extent.offset + extent.length).toBeLessThanOrEqual(offset + length);
      }
      expect(inside.reduce((sum, extent) => sum + extent.length, 0)).toBe(length);
    });

    test('from what is gone are refused', async () => {
      if (!bench.can('changedBlocks')) return;
      const { volume } = await bench.createFilled(1);
      const first = await bench.snapshot(volume);
      const second = await bench.snapshot(volume);
      await bench.delete(first);
      const gone = ask(first.ref, second.ref, volume.size, 100);
      await expect(gone).rejects.toBeInstanceOf(ArrayError);
      expect(['NOT_FOUND', 'CBT_UNAVAILABLE']).toContain(
        await outcome(ask(first.ref, second.ref, volume.size, 100)),
      );
    });
  });
}
