/** What is exported, is imported: any disk in every format, and what differs from another one. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryDevice, PLAIN } from '../../../../src/block/index.ts';
import type { ImageFormat } from '../../../../src/xenapi/images/index.ts';
import { slow } from '../../../support/content.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { anyDisk, anyPair } from '../../vdisk/export/export-disks.ts';
import {
  contentOf,
  differencesOf,
  dirty,
  expectSame,
  exported,
  exportPieces,
  imported,
  K,
  limited,
  M,
  memoryOf,
  piecesOf,
} from './transfers.ts';

const FORMATS: readonly ImageFormat[] = ['raw', 'vhd', 'tar', 'qcow2'];
const DELTAS: readonly ImageFormat[] = ['vhd', 'qcow2'];
const RUNS = { seed: SEED, numRuns: 8 };

const random = seededRandom();
const anySize = (): number => 1 + Math.floor(random() * 100_000);

describe(`a disk that is exported and imported (seed ${SEED})`, () => {
  it.each(FORMATS)('%s: is the same, in pieces of any size', async (format) => {
    await fc.assert(
      fc.asyncProperty(anyDisk, fc.boolean(), async (content, isZeroed) => {
        const image = await exported(format, { disk: memoryOf(content) });
        const target = new MemoryDevice({ size: content.length });
        const { length } = image;
        await imported(format, piecesOf(image, anySize), target, { length, isZeroed });
        expectSame(contentOf(target), content);
      }),
      RUNS,
    );
  });

  // A qcow2 image does not say what is zeroes: what it has no cluster for is left as it is.
  it.each<ImageFormat>(['raw', 'vhd', 'tar'])('%s: replaces whatever was there', async (format) => {
    await fc.assert(
      fc.asyncProperty(anyDisk, async (content) => {
        const target = dirty(content.length);
        await imported(format, await exported(format, { disk: memoryOf(content) }), target);
        expectSame(contentOf(target), content);
      }),
      RUNS,
    );
  });

  it.each(FORMATS)('%s: of devices that can do little, and are slow', async (format) => {
    const content = Buffer.alloc(7 * M + 12 * K);
    for (let at = 0; at < 7 * M; at += M) content.fill(`at ${at} `, at, at + 300 * K);
    const weak = { zero: false, extents: false, trim: false };
    const geometry = { minimumIo: 4 * K, maximumIo: 128 * K };
    const disk = limited(memoryOf(content, 4 * K), weak, geometry);
    const image = await exported(format, { disk });
    const memory = dirty(content.length, 4 * K);
    if (format === 'qcow2')
      memory.zero(0, content.length, { fua: false, noHole: false, fast: false });
    await imported(format, image, slow(limited(memory, weak, geometry)));
    expectSame(contentOf(memory), content);
  });

  it.each(FORMATS)('%s: holes stay holes', async (format) => {
    const disk = new MemoryDevice({ size: 2 * 1024 * M + 512 });
    disk.write(Buffer.from('first'), 0, PLAIN);
    disk.write(Buffer.from('middle'), 1024 * M + 77 * K, PLAIN);
    disk.write(Buffer.from('last'), 2 * 1024 * M + 508, PLAIN);
    const target = new MemoryDevice({ size: disk.geometry.size });
    // The middle is dirty: it is cleared, or not touched by a qcow2.
    if (format !== 'qcow2') target.write(Buffer.alloc(3 * M, 'x'), 700 * M, PLAIN);
    await imported(format, exportPieces(format, { disk }), target);
    expect(target.allocatedBytes).toBeLessThanOrEqual(3 * 64 * K);
    for (const [offset, text] of [
      [0, 'first'],
      [1024 * M + 77 * K, 'middle'],
      [2 * 1024 * M + 508, 'last'],
    ] as const) {
      const found = Buffer.alloc(text.length);
      target.read(found, offset);
      expect(found.toString()).toBe(text);
    }
  });
});

describe(`what differs from a base (seed ${SEED})`, () => {
  it.each(DELTAS)('%s: makes the disk out of the base', async (format) => {
    await fc.assert(
      fc.asyncProperty(anyPair, fc.boolean(), async ({ parent, child }, isTold) => {
        const choice = {
          disk: memoryOf(child),
          base: memoryOf(parent),
          ...(isTold ? { differs: differencesOf(parent, child) } : {}),
        };
        const image = await exported(format, choice);
        const target = memoryOf(Buffer.concat([parent], child.length));
        await imported(format, piecesOf(image, anySize), target, { length: image.length });
        expectSame(contentOf(target), child);
      }),
      RUNS,
    );
  });

  it.each(DELTAS)('%s: holds no more than the blocks that differ', async (format) => {
    const base = Buffer.alloc(24 * M);
    for (let at = 0; at < base.length; at += M) base.fill(`at ${at} `, at, at + 10 * K);
    const disk = Buffer.from(base);
    disk.fill('changed', 10 * M + 5, 10 * M + 12);
    disk.fill(0, 20 * M, 21 * M); // zeroes above data
    const whole = await exported(format, { disk: memoryOf(disk) });
    const delta = await exported(format, { disk: memoryOf(disk), base: memoryOf(base) });
    const most = format === 'vhd' ? 2 * (2 * M + 512) + 4 * K : 2 * 64 * K + 6 * 64 * K;
    expect(delta.length).toBeLessThanOrEqual(most);
    expect(delta.length).toBeLessThan(whole.length);
    const told = await exported(format, {
      disk: memoryOf(disk),
      base: memoryOf(base),
      differs: differencesOf(base, disk),
    });
    expectSame(told, delta);
    // Who says that everything may differ has said nothing, and what is zeroes on both does not differ.
    for (const differs of [
      [{ offset: 0, length: disk.length }],
      [...differencesOf(base, disk), { offset: 4 * M + 64 * K, length: 64 * K }],
    ]) {
      const vague = { disk: memoryOf(disk), base: memoryOf(base), differs };
      if (format === 'qcow2' || differs.length === 1) {
        expectSame(await exported(format, vague), delta);
      }
    }
  });

  it.each(DELTAS)('%s: knows a base that is larger than the disk', async (format) => {
    const disk = Buffer.alloc(5 * M + 512, 'disk');
    const base = Buffer.alloc(9 * M, 'disk');
    base.fill('base', M, 2 * M);
    const image = await exported(format, { disk: memoryOf(disk), base: memoryOf(base) });
    const target = memoryOf(base.subarray(0, disk.length));
    await imported(format, image, target);
    expectSame(contentOf(target), disk);
  });

  it.each(DELTAS)('%s: of a disk from itself is nothing', async (format) => {
    const disk = memoryOf(Buffer.alloc(5 * M, 'disk'));
    const image = await exported(format, { disk, base: disk });
    expect(image.length).toBeLessThan(M);
    const target = dirty(5 * M);
    await imported(format, image, target);
    expectSame(contentOf(target), contentOf(dirty(5 * M)));
  });
});

describe('an export', () => {
  it.each(FORMATS)('%s: sends what it had no time to look at', async (format) => {
    const content = Buffer.alloc(30 * M);
    content.fill('data', 25 * M, 26 * M);
    const memory = memoryOf(content);
    const disk = limited(memory, { extents: false });
    let time = 0;
    const now = (): number => {
      time += 60_000;
      return time;
    };
    const hurried = await exported(format, { disk, now });
    const patient = await exported(format, { disk });
    expect(hurried.length).toBeGreaterThanOrEqual(patient.length);
    if (format === 'vhd' || format === 'qcow2') expect(hurried.length).toBeGreaterThan(20 * M);
    const target = new MemoryDevice({ size: content.length });
    await imported(format, hurried, target);
    expectSame(contentOf(target), content);
  });

  it.each(FORMATS)('%s: tells its progress up to the end, and can be cancelled', async (format) => {
    const content = Buffer.alloc(12 * M, 'data');
    const told: number[] = [];
    await exported(format, {
      disk: memoryOf(content),
      progress: (fraction) => told.push(fraction),
    });
    expect(told.at(-1)).toBe(1);
    expect(told.toSorted((one, other) => one - other)).toEqual(told);
    expect(told.length).toBeGreaterThan(3);
    const abort = new AbortController();
    const cancelled = exported(format, {
      disk: memoryOf(content),
      signal: abort.signal,
      progress: (fraction) => {
        if (fraction > 0.4) abort.abort();
      },
    });
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it.each(FORMATS)('%s: an import tells its progress, and can be cancelled', async (format) => {
    const content = Buffer.alloc(12 * M, 'data');
    const image = await exported(format, { disk: memoryOf(content) });
    const told: number[] = [];
    const target = new MemoryDevice({ size: content.length });
    await imported(format, image, target, { progress: (fraction) => told.push(fraction) });
    expect(told.at(-1)).toBe(1);
    expect(told.length).toBeGreaterThan(3);
    const abort = new AbortController();
    const cancelled = imported(format, image, new MemoryDevice({ size: content.length }), {
      signal: abort.signal,
      progress: (fraction) => {
        if (fraction > 0.4) abort.abort();
      },
    });
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
