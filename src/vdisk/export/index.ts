/** Disks become image files and streams. Read first: export-stream.ts, export-file.ts. */

export { readAhead as loadAhead } from './disk-windows.ts';
export { type ExportFileOptions, exportFile } from './export-file.ts';
export type {
  ExportFormat,
  ExportOptions,
  ExportParent,
  ExportSource,
} from './export-request.ts';
export { type ExportStream, exportStream } from './export-stream.ts';
export { VHD_SIZE_MAX } from './limits.ts';
export type { ExportProgress } from './pass.ts';
export { QCOW2_CLUSTER_BYTES } from './qcow2-cluster.ts';
export { qcow2Header, writeQcow2Entry } from './qcow2-header.ts';
export { VHD_BITMAP_BYTES, VHD_BLOCK_BYTES, VhdLayout } from './vhd-layout.ts';
export { type ExportedFile, streamToFile, type WholeFileOptions } from './whole-file.ts';
export { isZero } from './zero-runs.ts';
