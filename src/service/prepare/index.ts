export { ServiceImagePreparer } from './image-preparer.ts';
export { runImage } from './run-image.ts';
