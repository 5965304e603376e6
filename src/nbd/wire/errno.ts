/** Errors on the NBD wire, both directions, total over our closed union. */
import type { Errno } from '../../errors/index.ts';
import {
  NBD_EINVAL,
  NBD_EIO,
  NBD_ENOMEM,
  NBD_ENOSPC,
  NBD_ENOTSUP,
  NBD_EOVERFLOW,
  NBD_EPERM,
  NBD_ESHUTDOWN,
} from './constants.ts';

/** What each errno becomes. No default: a new errno does not compile until it is mapped here. */
export const NBD_ERROR: Readonly<Record<Errno, number>> = {
  EPERM: NBD_EPERM,
  EROFS: NBD_EPERM, // "SHOULD return NBD_EPERM if it receives a write or trim request on a read-only export"
  EIO: NBD_EIO,
  ENOMEM: NBD_ENOMEM,
  EINVAL: NBD_EINVAL,
  ENOSPC: NBD_ENOSPC,
  EOVERFLOW: NBD_EOVERFLOW,
  ENOTSUP: NBD_ENOTSUP,
  ESHUTDOWN: NBD_ESHUTDOWN,
  ESTALE: NBD_EIO, // the protocol has no word for a lost lease
  ETIMEDOUT: NBD_EIO,
};

const ERRNO_OF: ReadonlyMap<number, Errno> = new Map<number, Errno>([
  [NBD_EPERM, 'EPERM'],
  [NBD_EIO, 'EIO'],
  [NBD_ENOMEM, 'ENOMEM'],
  [NBD_EINVAL, 'EINVAL'],
  [NBD_ENOSPC, 'ENOSPC'],
  [NBD_EOVERFLOW, 'EOVERFLOW'],
  [NBD_ENOTSUP, 'ENOTSUP'],
  [NBD_ESHUTDOWN, 'ESHUTDOWN'],
]);

/** "The client SHOULD treat an unexpected error value as if it had been NBD_EINVAL". */
export function errnoOfNbdError(error: number): Errno {
  return ERRNO_OF.get(error) ?? 'EINVAL';
}
