import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HashEntry, HashIndex } from '../../../../src/vdisk/bundle/hash-index.ts';
import { ChunkInventory } from '../../../../src/vdisk/bundle/index.ts';
import { CHUNK_BYTES, ManifestWriter } from '../../../../src/vdisk/manifest/index.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const MiB = 1024 * 1024;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let names = 0;
beforeEach(async () => {
  folder = await temporaryFolder('hash-index');
});
afterEach(() => folder.remove());

function newPath(): string {
  names += 1;
  return join(folder.path, String(names));
}

/** Hash number so-and-so: the same for the same number. */
const hashOf = (number: number): Buffer => createHash('sha256').update(String(number)).digest();

describe('an index of hashes', () => {
  it(`answers as a map does (seed ${SEED})`, async () => {
    const steps = fc.array(
      fc.record({ number: fc.nat(60), add: fc.boolean(), value: fc.maxSafeNat() }),
      { maxLength: 300 },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const index = await HashIndex.create(newPath(), 1000);
        const model = new Map<number, number>();
        for (const { number, add, value } of all) {
          expect(await index.find(hashOf(number))).toBe(model.get(number));
          if (!add || model.has(number)) continue;
          model.set(number, value);
          await index.add(hashOf(number), value);
        }
        expect(index.count).toBe(model.size);
        const entries: HashEntry[] = [];
        for await (const batch of index.entries(0, index.count)) entries.push(...batch);
        expect(entries.map(({ hash, value }) => [hash.toString('hex'), value])).toEqual(
          [...model].map(([number, value]) => [hashOf(number).toString('hex'), value]),
        );
        await index.close();
      }),
      { seed: SEED, numRuns: 50 },
    );
    expect(await readdir(folder.path)).toEqual([]);
  });

  it('finds everything in its file, in any order, and goes on after it was read', async () => {
    const count = 20_000;
    const index = await HashIndex.create(newPath(), count + 1);
    for (let number = 0; number < count; number += 1) await index.add(hashOf(number), number * 3);
    const read: number[] = [];
    for await (const batch of index.entries(7, count))
      read.push(...batch.map(({ value }) => value));
    expect(read).toEqual(Array.from({ length: count - 7 }, (_, at) => (at + 7) * 3));
    await index.add(hashOf(count), 1);
    const random = seededRandom();
    for (let turn = 0; turn < 5000; turn += 1) {
      const number = Math.floor(random() * count);
      expect(await index.find(hashOf(number))).toBe(number * 3);
      expect(await index.find(hashOf(-1 - number))).toBeUndefined();
    }
    expect(await index.find(hashOf(count))).toBe(1);
    await index.close();
  });

  it('does not keep a part of its file that is still growing', async () => {
    const index = await HashIndex.create(newPath(), 1000);
    const end = async (): Promise<void> => {
      for await (const _batch of index.entries(0, index.count)); // puts them all into the file
    };
    for (let number = 0; number < 100; number += 1) {
      await index.add(hashOf(number), number);
      await end();
      expect(await index.find(hashOf(Math.floor(number / 2)))).toBe(Math.floor(number / 2));
      expect(await index.find(hashOf(number))).toBe(number);
    }
    await index.close();
  });

  it('is exact also where the table cannot tell hashes apart', async () => {
    // The table looks at the first 16 bytes.
    const alike = (number: number): Buffer => {
      const hash = Buffer.alloc(32, 7);
      hash.writeUInt32BE(number, 28);
      return hash;
    };
    const index = await HashIndex.create(newPath(), 100_000);
    // More than the tail holds, so that the file is asked as well.
    for (let number = 0; number < 300; number += 1) {
      expect(await index.find(alike(number))).toBeUndefined();
      await index.add(alike(number), number);
    }
    for await (const _batch of index.entries(0, 300)); // puts them all into the file
    for (let number = 0; number < 300; number += 1) {
      expect(await index.find(alike(number))).toBe(number);
    }
    expect(await index.find(alike(300))).toBeUndefined();
    await index.close();
  });

  it('has a limit', async () => {
    const index = await HashIndex.create(newPath(), 2);
    await index.add(hashOf(0), 0);
    expect(index.isFull).toBe(false);
    await index.add(hashOf(1), 0);
    expect(index.isFull).toBe(true);
    expect(() => index.add(hashOf(2), 0)).toThrow(/more than 2 distinct chunks/);
    await index.close();
  });
});

describe('an inventory', () => {
  /** A manifest whose chunk i has the hash of number numbers[i]. */
  async function manifest(numbers: readonly number[]): Promise<string> {
    const path = newPath();
    const writer = await ManifestWriter.create(path, numbers.length * CHUNK_BYTES);
    for (const [chunk, number] of numbers.entries()) await writer.add(chunk, hashOf(number));
    await writer.finish();
    return path;
  }

  it('knows the chunks of its layers, and where the first of each is', async () => {
    const inventory = await ChunkInventory.create(newPath());
    await inventory.add('base', await manifest([1, 2, 1]));
    await inventory.add('above', await manifest([1, 3, 2]));
    expect(inventory.chunks).toBe(3);
    expect(await inventory.find(hashOf(1))).toEqual({ layer: 'base', chunk: 0 });
    expect(await inventory.find(hashOf(2))).toEqual({ layer: 'base', chunk: 1 });
    expect(await inventory.find(hashOf(3))).toEqual({ layer: 'above', chunk: 1 });
    expect(await inventory.has(hashOf(3))).toBe(true);
    expect(await inventory.has(hashOf(4))).toBe(false);
    expect(await inventory.find(hashOf(4))).toBeUndefined();
    await inventory.close();
  });

  it('does not know what is more than it may hold', async () => {
    const inventory = await ChunkInventory.create(newPath(), 2);
    await inventory.add('base', await manifest([1, 2, 3]));
    expect([
      inventory.chunks,
      await inventory.has(hashOf(2)),
      await inventory.has(hashOf(3)),
    ]).toEqual([2, true, false]);
    await inventory.close();
  });

  it('can be cancelled', async () => {
    const inventory = await ChunkInventory.create(newPath());
    const path = await manifest([1]);
    await expect(inventory.add('base', path, AbortSignal.abort())).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await inventory.close();
  });

  it('of 100 GiB of chunks takes less than 64 MiB', async () => {
    const chunks = 1_638_400;
    const path = newPath();
    const writer = await ManifestWriter.create(path, chunks * CHUNK_BYTES);
    const hash = Buffer.alloc(32);
    const random = seededRandom();
    for (let chunk = 0; chunk < chunks; chunk += 1) {
      for (let at = 0; at < 16; at += 4) hash.writeUInt32LE(random() * 2 ** 32, at);
      hash.writeUInt32BE(chunk, 28);
      await writer.add(chunk, hash);
    }
    await writer.finish();
    const inventory = await ChunkInventory.create(newPath());
    await inventory.add('base', path);
    expect(inventory.chunks).toBe(chunks);
    expect(inventory.memoryBytes).toBeLessThan(32 * MiB);
    expect(await inventory.find(hash)).toEqual({ layer: 'base', chunk: chunks - 1 });
    await inventory.close();
  });
});
