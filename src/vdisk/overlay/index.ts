/** A machine's write cache over a layer. Read first: overlay-device.ts. */
export type { JournalAccess } from './durable-map.ts';
export { type FormatOptions, formatOverlay } from './format-overlay.ts';
export { BLOCK_BYTES, BLOCKS_PER_UNIT, MAXIMUM_OVERLAY_BYTES, UNIT_BYTES } from './limits.ts';
export { overlayMapBytes } from './map-layout.ts';
export { type OverlayOptions, openOverlay } from './overlay-device.ts';
export { type OverlayGauges, readOverlayGauges, setOverlayQuota } from './overlay-gauges.ts';
export type { FullReason } from './overlay-state.ts';
export { type OverlayBits, readOverlayMap } from './read-overlay-map.ts';
export { type RecoverOptions, recoverOverlay } from './recover-overlay.ts';
export { type ReplayOptions, type ReplayRecord, replayOverlay } from './replay-overlay.ts';
export { lastJournalled, needsSettling, settleOverlay } from './settle-overlay.ts';
export { writeSealedMap } from './write-sealed-map.ts';
