import { chunkCount, clearChunk } from './chunk-layout.ts';
import { ManifestCursor } from './manifest-cursor.ts';

/**
 * The chunks in which a disk differs from another one, from their manifests alone: one bit for each chunk of
 * the disk, lowest bit first.
 * @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED
 */
export async function changedChunks(otherPath: string, path: string): Promise<Uint8Array> {
  const other = await ManifestCursor.open(otherPath);
  try {
    const own = await ManifestCursor.open(path);
    try {
      const changed = own.presentChunks.map((bits, at) => bits | (other.presentChunks[at] ?? 0));
      const end = chunkCount(own.header.size);
      for (let beyond = end; beyond < changed.length * 8; beyond += 1) clearChunk(changed, beyond);
      await own.takeBelow(Number.POSITIVE_INFINITY, async ({ chunk, hash }) => {
        // A chunk that is shorter, since its disk ends there, has another hash.
        if ((await other.hashOf(chunk))?.equals(hash) === true) clearChunk(changed, chunk);
      });
      return changed;
    } finally {
      await own.close();
    }
  } finally {
    await other.close();
  }
}
