/** Image formats: read only, for import. Read first: open-image.ts. */
export { type ByteSource, type OpenSource, openFileSource } from './byte-source.ts';
export { IMAGE_FORMATS, type ImageFormat, type ImageReader, type Run } from './image-reader.ts';
export { type OpenImageOptions, openImage } from './open-image.ts';
export { type QemuImg, qemuImg } from './qemu-img.ts';
