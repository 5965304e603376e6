/**
 * The seam and its general-purpose devices. Read first: block-device.ts.
 * Imports base and errors only.
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
