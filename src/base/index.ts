/** Small named helpers, one concept each. Imports nothing of ours. */
export { chain, isPromise, type MaybePromise } from './maybe-promise.ts';
export { RangeLock } from './range-lock.ts';
export { SharedBitmap } from './shared-bitmap.ts';
export { SharedMutex } from './shared-mutex.ts';
