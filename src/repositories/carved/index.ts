/** Carves one block device into volumes. Read first: docs/CARVED.md, attach-carved.ts, extent-pool.ts, shared-words.ts. */
export { type AttachCarvedRequest, attachCarved } from './attach-carved.ts';
export type { CarvedControl, CarvedDescription } from './carved-control.ts';
export { type CarvedVolumeDataOptions, carvedVolumeData } from './carved-data.ts';
export { type CarvedContent, type DeviceContent, readDeviceContent } from './device-content.ts';
export type { Finding, FindingCode, FindingSeverity } from './findings.ts';
export { type FsckOptions, type FsckReport, fsckCarved } from './fsck.ts';
