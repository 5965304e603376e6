export { runImage } from './run-image.ts';
