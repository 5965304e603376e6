export { openChunks, showInventory } from './chunks.ts';
export { exportBundle, type OpenBundle, openBundle } from './export-bundle.ts';
export { exportVersion, openVersionContent, type VersionContent } from './export-version.ts';
export { importBundle, pullBundle, receiveBundle, showBundle } from './import-bundle.ts';
export { uploadVdisk } from './upload-vdisk.ts';
