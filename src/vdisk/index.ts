/**
 * vDisks: images become sealed layers, and machines write into overlays above them.
 * Imports base, errors, block and repositories only.
 */
export type { BootFiles, Initramfs } from './boot-files/index.ts';
export {
  type BundleBootFiles,
  type BundleHead,
  type BundleSource,
  type BundleSourceVersion,
  type BundleTarget,
  type BundleVersion,
  bundleHead,
  ChunkInventory,
  encodeChunkRequest,
  type FetchChunks,
  type ReceivedVersion,
  readBundle,
  readChunkRequest,
  type VersionNeeds,
  type WriteBundleProgress,
  writeBundle,
  writeChunks,
} from './bundle/index.ts';
export {
  buildChainIndex,
  type ChainBase,
  type ChainDescription,
  type ChainDifference,
  type ChainLayer,
  type ChainOptions,
  MAXIMUM_CHAIN_LAYERS,
  openChain,
} from './chain/index.ts';
export {
  type ExportedFile,
  type ExportFileOptions,
  type ExportFormat,
  type ExportOptions,
  type ExportParent,
  type ExportProgress,
  type ExportSource,
  type ExportStream,
  exportFile,
  exportStream,
  streamToFile,
} from './export/index.ts';
export type { ImageFormat } from './formats/index.ts';
export {
  type ImportDependencies,
  type ImportedImage,
  type ImportImageRequest,
  importImage,
} from './import/index.ts';
export {
  FlushJournal,
  JOURNAL_SEGMENT_LEAST_BYTES,
  readRecords,
  readSegmentHeader,
} from './journal/index.ts';
export { type LayerOptions, openLayer } from './layer-device.ts';
export {
  buildIndexOfChain,
  type ClosedOverlay,
  type DamagedChunk,
  INITRD_FILE,
  KERNEL_FILE,
  type LayerChain,
  type LayeredDisk,
  type LayerFiles,
  type LayerProgress,
  type LayerSource,
  type LayerWork,
  layerFiles,
  type MergedLayer,
  type MergeRequest,
  type MergeWork,
  mergeLayers,
  noSpace,
  type OverlayChanges,
  openLayerChain,
  overlayChanges,
  type PartitionChanges,
  removeLayer,
  removeLeftovers,
  type SealedLayer,
  type SealRequest,
  SPACE_RESERVE_BYTES,
  sealOverlay,
  type VerifiedLayer,
  type VerifyRequest,
  type VerifyWork,
  verifyLayer,
} from './layers/index.ts';
export { changedChunks } from './manifest/index.ts';
export {
  type FormatOptions,
  type FullReason,
  formatOverlay,
  type JournalAccess,
  lastJournalled,
  MAXIMUM_OVERLAY_BYTES,
  needsSettling,
  type OverlayGauges,
  type OverlayOptions,
  openOverlay,
  overlayMapBytes,
  type RecoverOptions,
  type ReplayRecord,
  readOverlayGauges,
  recoverOverlay,
  replayOverlay,
  setOverlayQuota,
  settleOverlay,
} from './overlay/index.ts';
export {
  ExistingLayer,
  type FinishedLayer,
  type LayerBelow,
  ReceivedLayer,
} from './receive/index.ts';
