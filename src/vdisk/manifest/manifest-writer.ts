import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { type MaybePromise, writeAt } from '../../base/index.ts';
import { bitmapBytes, chunkLength, markChunk } from './chunk-layout.ts';
import { ContentId } from './content-id.ts';
import { MANIFEST_BATCH_BYTES } from './limits.ts';
import { encodeManifestHeader, HASH_BYTES, hashesOffset } from './manifest-header.ts';

/**
 * Writes a manifest while the disk streams by: only the bitmap is held in memory, hashes go to the
 * file in batches. The header comes last, so that a file cut off by a crash is never a manifest.
 */
export class ManifestWriter {
  readonly #handle: FileHandle;
  readonly #size: number;
  readonly #bitmap: Buffer;
  readonly #contentId: ContentId;
  readonly #batch = Buffer.alloc(MANIFEST_BATCH_BYTES);
  #batched = 0;
  #written: number;
  #presentChunks = 0;
  #dataBytes = 0;

  private constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.#size = size;
    this.#bitmap = Buffer.alloc(bitmapBytes(size));
    this.#contentId = new ContentId(size);
    this.#written = hashesOffset(size);
  }

  /** @param path must not exist yet */
  static async create(path: string, size: number): Promise<ManifestWriter> {
    return new ManifestWriter(await open(path, 'wx', 0o600), size);
  }

  /** Bytes in the chunks added so far. */
  get dataBytes(): number {
    return this.#dataBytes;
  }

  /** A chunk that holds data, in rising order. The next one when it has settled. */
  add(chunk: number, hash: Buffer): MaybePromise<void> {
    markChunk(this.#bitmap, chunk);
    this.#contentId.add(chunk, hash);
    this.#presentChunks += 1;
    this.#dataBytes += chunkLength(this.#size, chunk);
    hash.copy(this.#batch, this.#batched);
    this.#batched += HASH_BYTES;
    return this.#batched === this.#batch.length ? this.#writeBatch() : undefined;
  }

  /** Writes the rest, makes it durable and closes the file. @returns the content id, hex */
  async finish(): Promise<string> {
    await this.#writeBatch();
    const contentId = this.#contentId.finish();
    const header = encodeManifestHeader({
      size: this.#size,
      presentChunks: this.#presentChunks,
      contentId,
      bitmapCrc: crc32(this.#bitmap),
    });
    await writeAt(this.#handle, this.#bitmap, header.length);
    // Without hashes the padding of the bitmap is the end of the file.
    await this.#handle.truncate(this.#written);
    await writeAt(this.#handle, header, 0);
    await this.#handle.sync();
    await this.close();
    return contentId;
  }

  /** Gives up; idempotent. Whoever made the folder removes the file. */
  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #writeBatch(): Promise<void> {
    await writeAt(this.#handle, this.#batch.subarray(0, this.#batched), this.#written);
    this.#written += this.#batched;
    this.#batched = 0;
  }
}
