/** A layer's manifest: what it holds, by content. Read first: manifest-header.ts. */
export { changedChunks } from './changed-chunks.ts';
export {
  bitmapBytes,
  CHUNK_BYTES,
  chunkCount,
  chunkLength,
  countChunks,
  hasChunk,
  markChunk,
} from './chunk-layout.ts';
export { ContentId } from './content-id.ts';
export { MANIFEST_DISK_BYTES_MAX } from './limits.ts';
export {
  type ChunkHash,
  chunkHashBatches,
  ManifestCursor,
  readChunkHashes,
} from './manifest-cursor.ts';
export type { ManifestHeader } from './manifest-header.ts';
export { readManifestHeader, readPresentChunks } from './manifest-reader.ts';
export { ManifestWriter } from './manifest-writer.ts';
