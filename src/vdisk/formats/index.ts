/** Image formats: read only, for import. Read first: open-image.ts. */
export { type ByteSource, type OpenSource, openFileSource } from './byte-source.ts';
export { IMAGE_FORMATS, type ImageFormat, type ImageReader, type Run } from './image-reader.ts';
export { type OpenImageOptions, openImage } from './open-image.ts';
export type { Piece } from './piece-map.ts';
export { type Qcow2Header, readQcow2Header } from './qcow2-header.ts';
export { Qcow2Reader } from './qcow2-reader.ts';
export { type QemuImg, qemuImg } from './qemu-img.ts';
export {
  isVhdFooter,
  parseVhdFooter,
  parseVhdHeader,
  VHD_FOOTER_BYTES,
  VHD_HEADER_BYTES,
  VHD_SECTOR_BYTES,
  type VhdFooter,
  type VhdHeader,
  vhdBitmapBytes,
} from './vhd-footer.ts';
