/**
 * Disks as streams of bytes in the formats of XenAPI, and back: nothing of HTTP, nothing of records. Read first:
 * import-image.ts, export-image.ts.
 */
export { type ExportRequest, exportImage, exportRefusal } from './export-image.ts';
export type { BaseDisk, ByteRange, ImageDisk, ImageStream } from './export-source.ts';
export { type ImageFormat, imageFormatOf } from './image-format.ts';
export { type ImportRequest, importImage } from './import-image.ts';
export type { TransferHooks } from './pace.ts';
