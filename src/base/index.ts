/** Small named helpers, one concept each. Imports nothing of ours. */
export { chain, isPromise, type MaybePromise } from './maybe-promise.ts';
