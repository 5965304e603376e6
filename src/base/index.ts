/** Small named helpers, one concept each. Imports nothing of ours. */
export { deadline } from './deadline.ts';
export { type NeedMore, needMore, type Violation, violation } from './decoded.ts';
export { fillBits } from './fill-bits.ts';
export { forEachOf } from './for-each-of.ts';
export { Gather } from './gather.ts';
export { GroupCommit } from './group-commit.ts';
export { matchAddresses, withoutMapping } from './ip-addresses.ts';
export {
  formatIpv4,
  ipv4Bytes,
  isNetmask,
  netmaskOfBits,
  parseIpv4,
  sameSubnet,
} from './ipv4.ts';
export { KeyedMutex } from './keyed-mutex.ts';
export { mapInOrder } from './map-in-order.ts';
export { chain, isPromise, type MaybePromise } from './maybe-promise.ts';
export { monotonicMs } from './monotonic.ts';
export { ownAddresses } from './own-addresses.ts';
export { PagedBitmap } from './paged-bitmap.ts';
export { percentDecoded } from './percent-decoded.ts';
export { RangeLock } from './range-lock.ts';
export { type ProgramEnd, type RunProgramOptions, runProgram } from './run-program.ts';
export { SharedBitmap } from './shared-bitmap.ts';
export { SharedMutex } from './shared-mutex.ts';
export { syncPath } from './sync-path.ts';
export { realTimers, type Timers } from './timers.ts';
export { writeAt } from './write-at.ts';
export { writeNow } from './write-now.ts';
