/**
 * What is done to layers: sealing, merging, verifying; and their files. Read first: layer-files.ts, then
 * seal-overlay.ts.
 */
export { bytesOf } from './chunk-windows.ts';
export type { DamagedChunk } from './damage.ts';
export {
  buildIndexOfChain,
  type LayerChain,
  type LayeredDisk,
  type LayerSource,
  openLayerChain,
} from './layer-chain.ts';
export {
  beginLayer,
  commitLayer,
  createLayerVolume,
  discardLayer,
  type HalfLayer,
  INITRD_FILE,
  KERNEL_FILE,
  type LayerFiles,
  layerFiles,
  removeLayer,
  removeLeftovers,
} from './layer-files.ts';
export { writeLayerMap } from './layer-map.ts';
export type { LayerProgress, LayerWork } from './layer-work.ts';
export { BOOT_FILES_TIME_MAX, FLUSH_EVERY_BYTES, SPACE_RESERVE_BYTES } from './limits.ts';
export { makeLayer } from './make-layer.ts';
export {
  type MergedLayer,
  type MergeRequest,
  type MergeStep,
  type MergeWork,
  mergeLayers,
} from './merge-layers.ts';
export {
  type OverlayChanges,
  overlayChanges,
  type PartitionChanges,
} from './overlay-changes.ts';
export {
  type ClosedOverlay,
  type SealedLayer,
  type SealRequest,
  type SealStep,
  sealOverlay,
} from './seal-overlay.ts';
export { asLayerWork, checkCancelled, noSpace, storageFault } from './storage-fault.ts';
export { takeBootFiles } from './take-boot-files.ts';
export {
  type VerifiedLayer,
  type VerifyRequest,
  type VerifyWork,
  verifyLayer,
} from './verify-layer.ts';
export { readAll, writeAll } from './whole-io.ts';
