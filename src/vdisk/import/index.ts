/** Images become layers. Read first: import-image.ts. */
export {
  type ImportDependencies,
  type ImportedImage,
  type ImportImageRequest,
  importImage,
} from './import-image.ts';
