/** A vDisk on its way to another server. Read first: bundle-record.ts, then write-bundle.ts and read-bundle.ts. */
export type {
  BundleBootFiles,
  BundleFile,
  BundleHead,
  BundleVersion,
  VersionFacts,
} from './bundle-head.ts';
export type {
  BundleTarget,
  ReadableVersion,
  VersionNeeds,
  VersionSink,
} from './bundle-target.ts';
export { ChunkInventory, type ChunkPlace } from './chunk-inventory.ts';
export {
  CHUNK_REQUEST_BYTES_MAX,
  encodeChunkRequest,
  readChunkRequest,
} from './chunk-request.ts';
export type { FetchChunks, RetryChunks } from './chunk-supply.ts';
export { decodeInventory, encodeInventory, INVENTORY_FILE_BYTES_MAX } from './inventory-file.ts';
export {
  bundleHead,
  type ReadBundleOptions,
  type ReadBundleProgress,
  type ReceivedBundle,
  readBundle,
} from './read-bundle.ts';
export type { ReceivedVersion } from './received-version.ts';
export {
  type BundleSource,
  type BundleSourceVersion,
  type ChunkFilter,
  type WriteBundleOptions,
  type WriteBundleProgress,
  writeBundle,
} from './write-bundle.ts';
export { type ChunkReader, writeChunks } from './write-chunks.ts';
