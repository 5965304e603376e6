import type { FileHandle } from 'node:fs/promises';
import { isPromise, type MaybePromise } from '../../base/index.ts';
import { chunkCount, hasChunk } from './chunk-layout.ts';
import { ContentId } from './content-id.ts';
import { MANIFEST_BATCH_BYTES } from './limits.ts';
import { damaged, HASH_BYTES, hashesOffset, type ManifestHeader } from './manifest-header.ts';
import { openManifest, readBitmap, readWhole } from './manifest-reader.ts';

export interface ChunkHash {
  readonly chunk: number;
  /** SHA-256 of the chunk's bytes. */
  readonly hash: Buffer;
}

/**
 * Every present chunk with its hash, in order; checks the content id at the end.
 * @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED
 */
export async function readChunkHashes(
  path: string,
  each: (chunk: ChunkHash) => MaybePromise<void>,
): Promise<ManifestHeader> {
  const cursor = await ManifestCursor.open(path);
  try {
    await cursor.takeBelow(Number.POSITIVE_INFINITY, each);
    return cursor.header;
  } finally {
    await cursor.close();
  }
}

/**
 * The same, to be asked for a batch at a time. What was given out stays as it is.
 * @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED
 */
export async function* chunkHashBatches(path: string): AsyncGenerator<readonly ChunkHash[]> {
  const cursor = await ManifestCursor.open(path);
  try {
    for (;;) {
      const batch = await cursor.takeBatch();
      if (batch.length === 0) return;
      yield batch;
    }
  } finally {
    await cursor.close();
  }
}

/**
 * Goes through the hashes of a manifest at the pace of somebody who goes through the disk. Memory is the
 * bitmap and one batch of hashes.
 */
export class ManifestCursor {
  readonly header: ManifestHeader;
  /** Which chunks hold data. */
  readonly presentChunks: Uint8Array;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #contentId: ContentId;
  #batch: Buffer = Buffer.alloc(0);
  /** Where the next hash is in the batch. */
  #at = 0;
  /** … and the next batch in the file. */
  #position: number;
  #left: number;
  /** The chunk of the next hash. */
  #chunk: number;
  #checked = false;

  private constructor(
    path: string,
    handle: FileHandle,
    header: ManifestHeader,
    presentChunks: Uint8Array,
  ) {
    this.#path = path;
    this.#handle = handle;
    this.header = header;
    this.presentChunks = presentChunks;
    this.#contentId = new ContentId(header.size);
    this.#position = hashesOffset(header.size);
    this.#left = header.presentChunks * HASH_BYTES;
    this.#chunk = nextChunk(presentChunks, 0, chunkCount(header.size));
  }

  /** @throws Fault NOT_FOUND, IMAGE_INVALID, IMAGE_UNSUPPORTED */
  static async open(path: string): Promise<ManifestCursor> {
    const { handle, header } = await openManifest(path);
    try {
      const bitmap = await readBitmap(path, handle, header);
      return new ManifestCursor(path, handle, header, bitmap);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * The present chunks below `end` that were not taken yet, in order. With the last chunk of the disk it
   * checks the content id.
   * @throws Fault IMAGE_INVALID
   */
  async takeBelow(end: number, each: (chunk: ChunkHash) => MaybePromise<void>): Promise<void> {
    const count = chunkCount(this.header.size);
    while (this.#chunk < Math.min(end, count)) {
      if (this.#at === this.#batch.length) await this.#loadBatch();
      const result = each(this.#take(count));
      if (isPromise(result)) await result;
    }
    if (end >= count) this.#checkContentId();
  }

  /** Some of the present chunks that were not taken yet, in order; none: that was all. @throws Fault IMAGE_INVALID */
  async takeBatch(): Promise<readonly ChunkHash[]> {
    const count = chunkCount(this.header.size);
    const batch: ChunkHash[] = [];
    if (this.#chunk >= count) {
      this.#checkContentId();
      return batch;
    }
    if (this.#at === this.#batch.length) await this.#loadBatch();
    while (this.#at < this.#batch.length) batch.push(this.#take(count));
    return batch;
  }

  #take(count: number): ChunkHash {
    const hash = this.#batch.subarray(this.#at, this.#at + HASH_BYTES);
    const chunk = this.#chunk;
    this.#at += HASH_BYTES;
    this.#chunk = nextChunk(this.presentChunks, chunk + 1, count);
    this.#contentId.add(chunk, hash);
    return { chunk, hash };
  }

  /** The hash of a chunk; undefined: it is all zeroes. Chunks are asked for in rising order. */
  async hashOf(chunk: number): Promise<Buffer | undefined> {
    let found: Buffer | undefined;
    await this.takeBelow(chunk + 1, (one) => {
      if (one.chunk === chunk) found = one.hash;
    });
    return found;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  /** Whoever keeps a hash keeps its batch: each is memory of its own. */
  async #loadBatch(): Promise<void> {
    const batch = Buffer.allocUnsafeSlow(Math.min(MANIFEST_BATCH_BYTES, this.#left));
    await readWhole(this.#path, this.#handle, batch, this.#position, 'hashes');
    this.#position += batch.length;
    this.#left -= batch.length;
    this.#batch = batch;
    this.#at = 0;
  }

  #checkContentId(): void {
    if (this.#checked) return;
    this.#checked = true;
    const found = this.#contentId.finish();
    const { contentId } = this.header;
    if (found !== contentId) throw damaged(this.#path, 'content id', contentId, found);
  }
}

/** The first present chunk from `from` on, or `count`. */
function nextChunk(bitmap: Uint8Array, from: number, count: number): number {
  for (let chunk = from; chunk < count; chunk += 1) {
    if (chunk % 8 === 0 && bitmap[chunk / 8] === 0) chunk += 7;
    else if (hasChunk(bitmap, chunk)) return chunk;
  }
  return count;
}
