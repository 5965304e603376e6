import type { Errno, FaultCode } from '../errors/index.ts';

/** What an error of the system means to whoever makes layers, or imports or exports a disk. */
export const FAULT_OF_ERRNO: Readonly<Record<Errno, FaultCode>> = {
  EPERM: 'PERMISSION_DENIED',
  EROFS: 'PERMISSION_DENIED',
  EIO: 'UNAVAILABLE',
  ENOMEM: 'UNAVAILABLE',
  EINVAL: 'INTERNAL',
  ENOSPC: 'NO_SPACE',
  EOVERFLOW: 'NO_SPACE',
  ENOTSUP: 'INTERNAL',
  ESHUTDOWN: 'UNAVAILABLE',
  ESTALE: 'UNAVAILABLE',
  ETIMEDOUT: 'UNAVAILABLE',
};
