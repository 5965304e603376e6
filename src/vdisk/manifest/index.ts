/** A layer's manifest: what it holds, by content. Read first: manifest-header.ts. */
export {
  bitmapBytes,
  CHUNK_BYTES,
  chunkCount,
  chunkLength,
  hasChunk,
  markChunk,
} from './chunk-layout.ts';
export { ContentId } from './content-id.ts';
export { MANIFEST_DISK_BYTES_MAX } from './limits.ts';
export type { ManifestHeader } from './manifest-header.ts';
export {
  type ChunkHash,
  chunkHashBatches,
  readChunkHashes,
  readManifestHeader,
  readPresentChunks,
} from './manifest-reader.ts';
export { ManifestWriter } from './manifest-writer.ts';
