import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import { readLayerMap, writeLayerMap } from '../../../../src/vdisk/layers/layer-map.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const GIB = 1024 ** 3;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let next = 0;
beforeAll(async () => {
  folder = await temporaryFolder('layer-map');
});
afterAll(() => folder.remove());

const newPath = (): string => {
  next += 1;
  return join(folder.path, `map-${next}`);
};

async function code(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => 'it went well',
    (reason) => reason,
  );
  return error instanceof Fault ? error.code : String(error);
}

interface HeaderFields {
  readonly size?: bigint;
  readonly packed?: bigint;
  readonly version?: number;
}

/** A file with checksums that are right, whatever it says. */
function forged(bits: Buffer, { size, packed, version }: HeaderFields = {}): Buffer {
  const body = zstdCompressSync(bits);
  const head = Buffer.alloc(64);
  head.write('RCLAYER\n', 0, 'latin1');
  head.writeUInt32BE(version ?? 1, 8);
  head.writeUInt32BE(4096, 12);
  head.writeUInt32BE(65_536, 16);
  head.writeBigUInt64BE(size ?? 655_360n, 24);
  head.writeBigUInt64BE(packed ?? BigInt(body.length), 32);
  head.writeUInt32BE(crc32(body), 40);
  head.writeUInt32BE(crc32(head.subarray(0, 60)), 60);
  return Buffer.concat([head, body]);
}

async function codeOf(file: Buffer): Promise<string> {
  const path = newPath();
  await writeFile(path, file);
  return code(readLayerMap(path));
}

describe("a layer's map", () => {
  it('gives back what was written, for any size', async () => {
    const random = seededRandom();
    const sizes = fc.oneof(
      fc.integer({ min: 1, max: 40 }).map((sectors) => sectors * 512),
      fc.integer({ min: 1, max: 3000 }).map((sectors) => sectors * 4096),
      fc.constantFrom(100 * GIB, 1, 65_537),
    );
    const property = fc.asyncProperty(sizes, fc.boolean(), async (size, isSparse) => {
      const bits = (count: number): Buffer => {
        const bytes = Buffer.alloc(Math.ceil(count / 8));
        for (let bit = 0; bit < count; bit += isSparse ? 1 + Math.floor(random() * 900) : 1) {
          if (random() < 0.5) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
        }
        return bytes;
      };
      const few = Math.min(size, GIB);
      const owned = Buffer.alloc(Math.ceil(Math.ceil(size / 4096) / 8));
      const zeroed = Buffer.alloc(Math.ceil(Math.ceil(size / 65_536) / 8));
      bits(Math.ceil(few / 4096)).copy(owned);
      bits(Math.ceil(few / 65_536)).copy(zeroed);
      const path = newPath();
      await writeLayerMap(path, { size, owned, zeroed });
      const found = await readLayerMap(path);
      expect(found.size).toBe(size);
      expect(owned.equals(found.owned)).toBe(true);
      expect(zeroed.equals(found.zeroed)).toBe(true);
    });
    await fc.assert(property, { seed: SEED, numRuns: 40 });
  });

  it("leaves out what lies beyond the disk's end", async () => {
    const path = newPath();
    const size = 5 * 4096;
    await writeLayerMap(path, {
      size,
      owned: Buffer.alloc(9, 0xff),
      zeroed: Buffer.alloc(9, 0xff),
    });
    const { owned, zeroed } = await readLayerMap(path);
    expect([...owned]).toEqual([0b1_1111]);
    expect([...zeroed]).toEqual([1]);
  });

  it('is small where little changed', async () => {
    const path = newPath();
    const owned = Buffer.alloc((100 * GIB) / 4096 / 8);
    owned.fill(0xff, 1_000_000, 1_000_100);
    const zeroed = Buffer.alloc((100 * GIB) / 65_536 / 8);
    await writeLayerMap(path, { size: 100 * GIB, owned, zeroed });
    expect((await readFile(path)).length).toBeLessThan(2000);
  });

  it('is refused for a size that an overlay cannot have, and for bits that are too few', async () => {
    const bits = Buffer.alloc(8);
    for (const [size, owned] of [
      [0, bits],
      [2 ** 43, bits],
      [1.5, bits],
      [65 * 4096, bits],
    ] as const) {
      const map = { size, owned, zeroed: bits };
      await expect(writeLayerMap(newPath(), map)).rejects.toThrow(RangeError);
    }
  });

  it('is refused when it is cut off anywhere or has bytes too many', async () => {
    const path = newPath();
    const owned = Buffer.alloc(32, 0b1010_0101);
    await writeLayerMap(path, { size: 256 * 4096, owned, zeroed: Buffer.alloc(2, 7) });
    const whole = await readFile(path);
    for (let length = whole.length - 1; length >= 0; length -= 1) {
      await truncate(path, length);
      expect(await code(readLayerMap(path)), `cut at ${length}`).toBe('IMAGE_INVALID');
    }
    expect(await codeOf(Buffer.concat([whole, Buffer.alloc(1)]))).toBe('IMAGE_INVALID');
    expect(await codeOf(whole)).toBe('it went well');
  });

  it(`finds every flipped bit (seed ${SEED})`, async () => {
    const path = newPath();
    const owned = Buffer.alloc(32, 0b1010_0101);
    await writeLayerMap(path, { size: 256 * 4096, owned, zeroed: Buffer.alloc(2, 7) });
    const whole = await readFile(path);
    const random = seededRandom();
    for (let at = 0; at < whole.length; at += 1) {
      const bad = Buffer.from(whole);
      bad.writeUInt8(bad.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at);
      expect(await codeOf(bad), `byte ${at}`).toBe('IMAGE_INVALID');
    }
  });

  it('is refused with a reason when its checksums are right and what they cover is not', async () => {
    const bits = Buffer.alloc(20 + 2);
    expect(await codeOf(forged(bits))).toBe('it went well');
    expect(await codeOf(forged(bits, { version: 2 }))).toBe('IMAGE_UNSUPPORTED');
    expect(await codeOf(forged(bits, { size: 0n }))).toBe('IMAGE_INVALID');
    expect(await codeOf(forged(bits, { size: 2n ** 42n + 1n }))).toBe('IMAGE_INVALID');
    expect(await codeOf(forged(bits, { size: 2n ** 64n - 1n }))).toBe('IMAGE_INVALID');
    expect(await codeOf(forged(bits, { packed: 2n ** 40n }))).toBe('IMAGE_INVALID');
    // Other disks: too few bits, too many.
    expect(await codeOf(forged(bits, { size: 100n * 1024n ** 3n }))).toBe('IMAGE_INVALID');
    expect(await codeOf(forged(bits, { size: 512n }))).toBe('IMAGE_INVALID');
    expect(await codeOf(forged(Buffer.alloc(64 * 1024 * 1024)))).toBe('IMAGE_INVALID'); // a bomb
    const beyond = Buffer.from(bits);
    beyond[21] = 0b100;
    expect(await codeOf(forged(beyond))).toBe('IMAGE_INVALID');
  });

  it('never does anything but refuse random bytes', async () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((random) => Buffer.from(random));
    const property = fc.asyncProperty(bytes, fc.boolean(), async (random, hasHeader) => {
      const file = hasHeader ? Buffer.concat([forged(Buffer.alloc(22)), random]) : random;
      if (hasHeader) random.copy(file, 12);
      const found = await codeOf(file);
      expect(['IMAGE_INVALID', 'IMAGE_UNSUPPORTED', 'it went well']).toContain(found);
      if (found === 'it went well') expect(random.length).toBe(0);
    });
    await fc.assert(property, { seed: SEED, numRuns: 200 });
  });

  it('is not there: NOT_FOUND', async () => {
    expect(await code(readLayerMap(newPath()))).toBe('NOT_FOUND');
  });
});
