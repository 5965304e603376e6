/** Carves one block device into volumes. Read first: docs/CARVED.md, attach-carved.ts, extent-pool.ts, shared-words.ts. */
export { type AttachCarvedRequest, attachCarved } from './attach-carved.ts';
export { carvedCapabilities } from './capabilities.ts';
export type { CarvedControl, CarvedDescription } from './carved-control.ts';
export { type CarvedVolumeDataOptions, carvedVolumeData } from './carved-data.ts';
export { findingOfContent } from './device-content.ts';
export { fsckCarved } from './fsck.ts';
export { CARVED_SETTINGS, carvedSettings } from './settings.ts';
