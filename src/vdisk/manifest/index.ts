/** A layer's manifest: what it holds, by content. Read first: manifest-header.ts. */
export { bitmapBytes, CHUNK_BYTES, hasChunk, markChunk } from './chunk-layout.ts';
export type { ManifestHeader } from './manifest-header.ts';
export {
  type ChunkHash,
  readChunkHashes,
  readManifestHeader,
  readPresentChunks,
} from './manifest-reader.ts';
export { ManifestWriter } from './manifest-writer.ts';
