/** Images become layers. Read first: import-image.ts. */
export { importFault } from './import-fault.ts';
export {
  type ImportDependencies,
  type ImportedImage,
  type ImportImageProgress,
  type ImportImageRequest,
  importImage,
} from './import-image.ts';
export { type LayerFiles, layerFiles, removeLayer, removeLeftovers } from './layer-files.ts';
