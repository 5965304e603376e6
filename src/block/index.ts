/**
 * The seam and its general-purpose devices. Read first: block-device.ts.
 * Imports base and errors only (and lru-cache, for the read cache).
 *
 * A device around a device closes it.
 */
export {
  type BlockDevice,
  type Capabilities,
  type Extent,
  type ExtentKind,
  FUA,
  type Geometry,
  type Loan,
  PLAIN,
  PLAIN_ZERO,
  type ReadableBlockDevice,
  type WriteOptions,
  type ZeroOptions,
} from './block-device.ts';
export { CachedDevice } from './cached-device.ts';
export { CheckedDevice } from './checked-device.ts';
export { DescriptorIo } from './descriptor-io.ts';
export { appendExtent } from './extent-list.ts';
export {
  type FaultPlan,
  FaultyDevice,
  type FaultyRequest,
  failAtRandom,
  type InjectedFault,
} from './faulty-device.ts';
export { Gate, nothingToClose } from './gate.ts';
export type { Clock } from './io-mode.ts';
export * from './limits.ts';
export { currentSizeOf, isMeasurable, type MeasurableDevice } from './measurable-device.ts';
export { MemoryDevice, type MemoryDeviceOptions } from './memory-device.ts';
export { type DeviceGauges, MeteredDevice } from './metered-device.ts';
export {
  type BlockLayers,
  ReadCache,
  type ReadCacheGauges,
  type ReadCacheOptions,
} from './read-cache.ts';
export { ReadOnlyDevice } from './read-only-device.ts';
export { SharedCache, type SharedCacheGauges } from './shared-cache.ts';
export { type AheadRead, type BlockRun, SharedSource } from './shared-source.ts';
export { SliceDevice } from './slice-device.ts';
export { WriteBatch } from './write-batch.ts';
export { ZeroDevice } from './zero-device.ts';
export { appendZeroes, lendZeroes, ZEROES } from './zeroes.ts';
