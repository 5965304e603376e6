/** Images become layers. Read first: import-image.ts. */
export { type ImageToRawRequest, imageToRaw } from './image-to-raw.ts';
export {
  type ImportDependencies,
  type ImportedImage,
  type ImportImageRequest,
  importImage,
} from './import-image.ts';
export { DISK_SIZE_UNIT } from './limits.ts';
