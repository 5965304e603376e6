/** Copies points between any two repositories. Read first: copy-point.ts. */
export { type Change, type ChangeSource, wholeOf } from './chunk-runs.ts';
export { ContentSum } from './content-sum.ts';
export { type CopyFigures, NO_FIGURES } from './copy-figures.ts';
export {
  type CopiedPoint,
  type CopyCursor,
  type CopyRequest,
  type CopyWork,
  copyPoint,
} from './copy-point.ts';
export type { Verification } from './read-back.ts';
export { type ReadContent, readContent } from './read-content.ts';
export { Throttle, type ThrottleParts } from './throttle.ts';
