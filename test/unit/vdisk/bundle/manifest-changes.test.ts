/** What a manifest changes in its parent, applied to the parent, is the manifest again. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyChanges } from '../../../../src/vdisk/bundle/apply-changes.ts';
import type { Change } from '../../../../src/vdisk/bundle/change-list.ts';
import { manifestChanges } from '../../../../src/vdisk/bundle/manifest-changes.ts';
import { CHUNK_BYTES, ContentId, ManifestWriter } from '../../../../src/vdisk/manifest/index.ts';
import { SEED } from '../../../support/seed.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let names = 0;
beforeAll(async () => {
  folder = await temporaryFolder('changes');
});
afterAll(() => folder.remove());

function newPath(): string {
  names += 1;
  return join(folder.path, String(names));
}

const hashOf = (colour: number): Buffer => createHash('sha256').update(String(colour)).digest();

/** Chunks by colour, 0: a hole. */
async function manifest(colours: readonly number[]): Promise<string> {
  const path = newPath();
  const writer = await ManifestWriter.create(path, colours.length * CHUNK_BYTES);
  for (const [chunk, colour] of colours.entries()) {
    if (colour !== 0) await writer.add(chunk, hashOf(colour));
  }
  await writer.finish();
  return path;
}

async function changesOf(parent: string | undefined, path: string): Promise<Change[]> {
  const all: Change[] = [];
  for await (const batch of manifestChanges(parent, path)) all.push(...batch);
  return all;
}

async function* inBatches(
  all: readonly Change[],
  length: number,
): AsyncGenerator<readonly Change[]> {
  for (let at = 0; at < all.length; at += length) yield all.slice(at, at + length);
}

describe('the changes of a manifest', () => {
  const disk = fc.array(fc.nat(3), { minLength: 1, maxLength: 40 });

  it('are what differs, and lead back to it', async () => {
    const property = fc.asyncProperty(
      fc.option(disk, { nil: undefined }),
      disk,
      fc.integer({ min: 1, max: 9 }),
      async (below, above, batch) => {
        const parent = below === undefined ? undefined : await manifest(below);
        const path = await manifest(above);
        const changes = await changesOf(parent, path);
        const wanted = above.flatMap((colour, chunk) =>
          colour === (below?.[chunk] ?? 0)
            ? []
            : [{ chunk, hash: colour === 0 ? undefined : hashOf(colour) }],
        );
        expect(changes).toEqual(wanted);
        const size = above.length * CHUNK_BYTES;
        const again = newPath();
        const writer = await ManifestWriter.create(again, size);
        const id = await applyChanges(parent, inBatches(changes, batch), size, writer, 'it');
        expect(await readFile(again)).toEqual(await readFile(path));
        const plain = new ContentId(size);
        expect(await applyChanges(parent, inBatches(changes, batch), size, plain, 'it')).toBe(id);
      },
    );
    await fc.assert(property, { seed: SEED, numRuns: 60 });
  });

  it('cross the batches of the manifests', async () => {
    const colours = (shift: number) => Array.from({ length: 20_000 }, (_, at) => (at + shift) % 3);
    const parent = await manifest(colours(0));
    const path = await manifest(colours(0).with(8_191, 7).with(8_192, 7).with(19_999, 0));
    const same = await changesOf(parent, path);
    expect(same.map(({ chunk }) => chunk)).toEqual([8_191, 8_192, 19_999]);
    const other = await changesOf(parent, await manifest(colours(1)));
    expect(other.length).toBe(20_000);
  });

  it('that change nothing are refused', async () => {
    const parent = await manifest([1, 0, 2]);
    const apply = (changes: readonly Change[]) =>
      applyChanges(
        parent,
        inBatches(changes, 9),
        3 * CHUNK_BYTES,
        new ContentId(3 * CHUNK_BYTES),
        'version 4',
      );
    await expect(apply([{ chunk: 0, hash: hashOf(1) }])).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
      message: 'version 4: chunk 0 is said to change, and is the same in the parent',
    });
    await expect(apply([{ chunk: 1, hash: undefined }])).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
    });
    await expect(apply([{ chunk: 3, hash: hashOf(1) }])).rejects.toMatchObject({
      message: 'version 4: chunk 3 is beyond the end of the disk',
    });
  });
});
