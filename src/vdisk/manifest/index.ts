/** A layer's manifest: what it holds, by content. Read first: manifest-header.ts. */
export {
  bitmapBytes,
  CHUNK_BYTES,
  chunkBytes,
  chunkCount,
  countChunks,
  hasChunk,
  markChunk,
} from './chunk-layout.ts';
export { type ChunkHash, ManifestCursor, readChunkHashes } from './manifest-cursor.ts';
export type { ManifestHeader } from './manifest-header.ts';
export { readManifestHeader, readPresentChunks } from './manifest-reader.ts';
export { ManifestWriter } from './manifest-writer.ts';
