import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fault } from '../../../../src/errors/index.ts';
import {
  bitmapBytes,
  CHUNK_BYTES,
  type ChunkHash,
  hasChunk,
  ManifestWriter,
  readChunkHashes,
  readManifestHeader,
  readPresentChunks,
} from '../../../../src/vdisk/manifest/index.ts';
import { SEED, seededRandom } from '../../../support/seed.ts';

let folder = '';
let next = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rootcast-manifest-'));
});
afterAll(() => rm(folder, { recursive: true }));

function sha(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

async function write(
  size: number,
  chunks: readonly number[],
): Promise<{ path: string; id: string }> {
  next += 1;
  const path = join(folder, `m${next}`);
  const writer = await ManifestWriter.create(path, size);
  for (const chunk of chunks) await writer.add(chunk, sha(`chunk ${chunk}`));
  return { path, id: await writer.finish() };
}

describe('the manifest', () => {
  it('gives back what was written', async () => {
    const size = CHUNK_BYTES * 20_000 + 512;
    const chunks = Array.from({ length: 20_001 }, (_, index) => index).filter((i) => i % 2 === 0);
    const { path, id } = await write(size, chunks);
    const bitmap = await readPresentChunks(path);
    expect(bitmap.length).toBe(bitmapBytes(size));
    expect(chunks.every((chunk) => hasChunk(bitmap, chunk))).toBe(true);
    expect(hasChunk(bitmap, 1)).toBe(false);
    const found: ChunkHash[] = [];
    const header = await readChunkHashes(path, (chunk) => {
      found.push(chunk);
    });
    expect(header).toMatchObject({ size, presentChunks: chunks.length, contentId: id });
    expect(found.map(({ chunk }) => chunk)).toEqual(chunks);
    expect(found.every(({ chunk, hash }) => hash.equals(sha(`chunk ${chunk}`)))).toBe(true);
  });

  it('puts bit i in byte i div 8, least significant first', async () => {
    const { path } = await write(CHUNK_BYTES * 20, [0, 9, 15, 16]);
    expect([...(await readPresentChunks(path))]).toEqual([0b0000_0001, 0b1000_0010, 0b0000_0001]);
  });

  it('names the content by a canonical encoding, written out here once more', async () => {
    const { id } = await write(CHUNK_BYTES * 3 + 1024, [1, 3]);
    const number = (value: number) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(BigInt(value));
      return bytes;
    };
    const hash = createHash('sha256').update('rootcast layer, version 1\n');
    hash.update(number(CHUNK_BYTES * 3 + 1024)).update(number(65_536));
    hash.update(number(1)).update(sha('chunk 1')).update(number(3)).update(sha('chunk 3'));
    expect(id).toBe(hash.digest('hex'));
  });

  it('has another name for another size, place or chunk', async () => {
    const names = new Set<string>();
    for (const [size, chunks] of [
      [4, [1]],
      [5, [1]],
      [4, [2]],
      [4, [1, 2]],
      [4, []],
    ] as const) {
      names.add((await write(CHUNK_BYTES * size, chunks)).id);
    }
    expect(names.size).toBe(5);
  });

  it('is refused when it is cut off anywhere or has bytes too many', async () => {
    const { path } = await write(CHUNK_BYTES * 40, [0, 7, 39]);
    const whole = await readFile(path);
    expect(whole.length).toBe(128 + 32 + 3 * 32);
    for (let length = whole.length - 1; length >= 0; length -= 1) {
      await truncate(path, length);
      await expect(readPresentChunks(path)).rejects.toThrow(Fault);
    }
    await writeFile(path, Buffer.concat([whole, Buffer.alloc(1)]));
    await expect(readManifestHeader(path)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });

  it(`finds every flipped bit (seed ${SEED})`, async () => {
    const { path } = await write(CHUNK_BYTES * 40, [0, 7, 39]);
    const whole = await readFile(path);
    const random = seededRandom();
    for (let at = 0; at < whole.length; at += 1) {
      if (at >= 133 && at < 160) continue; // the padding of the bitmap
      const bad = Buffer.from(whole);
      bad.writeUInt8(bad.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at);
      await writeFile(path, bad);
      await expect(readChunkHashes(path, () => undefined)).rejects.toMatchObject({
        code: 'IMAGE_INVALID',
      });
      if (at < 133) await expect(readPresentChunks(path)).rejects.toThrow(Fault);
    }
  });

  it('finds a bitmap whose bits have moved', async () => {
    const { path } = await write(CHUNK_BYTES * 40, [0, 7, 39]);
    const bad = await readFile(path);
    bad.writeUInt8(0b1000_0010, 128); // as many chunks as before
    await writeFile(path, bad);
    await expect(readPresentChunks(path)).rejects.toMatchObject({
      details: { field: 'bitmap checksum' },
    });
  });

  it('is not there: NOT_FOUND', async () => {
    await expect(readPresentChunks(join(folder, 'none'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});
