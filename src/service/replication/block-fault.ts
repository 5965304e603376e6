import { BlockError, type Errno, Fault, type FaultCode } from '../../errors/index.ts';

const CODES: Readonly<Record<Errno, FaultCode>> = {
  ENOSPC: 'NO_SPACE',
  EPERM: 'PERMISSION_DENIED',
  EROFS: 'PERMISSION_DENIED',
  EINVAL: 'INTERNAL',
  EOVERFLOW: 'INTERNAL',
  ENOTSUP: 'UNSUPPORTED',
  ESTALE: 'NOT_FOUND',
  ETIMEDOUT: 'UNREACHABLE',
  EIO: 'UNAVAILABLE',
  ENOMEM: 'UNAVAILABLE',
  ESHUTDOWN: 'UNAVAILABLE',
};

/** How a copy failed, for the control plane: an errno of a device is what its storage could not do. */
export function blockFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  if (!(error instanceof BlockError)) {
    const message = error instanceof Error ? error.message : String(error);
    return new Fault('INTERNAL', message, {}, { cause: error });
  }
  return new Fault(CODES[error.errno], error.message, {}, { cause: error });
}
