/**
 * The seam and its general-purpose devices. Read first: block-device.ts.
 * Imports base and errors only (and lru-cache, for the read cache).
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
export { appendExtent } from './extent-list.ts';
export { Gate, nothingToClose } from './gate.ts';
export * from './limits.ts';
export { MemoryDevice, type MemoryDeviceOptions } from './memory-device.ts';
export { ZeroDevice } from './zero-device.ts';
export { appendZeroes, lendZeroes, ZEROES } from './zeroes.ts';
