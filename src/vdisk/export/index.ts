/** Disks become image files and streams. Read first: export-stream.ts, export-file.ts. */
export { type ExportFileOptions, exportFile } from './export-file.ts';
export type {
  ExportFormat,
  ExportOptions,
  ExportParent,
  ExportSource,
} from './export-request.ts';
export { type ExportStream, exportStream } from './export-stream.ts';
export type { ExportProgress } from './pass.ts';
export { type ExportedFile, streamToFile, type WholeFileOptions } from './whole-file.ts';
