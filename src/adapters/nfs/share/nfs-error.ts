/** What a server says instead of results, in both versions (RFC 1813, section 2.6; RFC 7530, section 13), and what it means. */
import { BlockError, type BlockOperation, type Errno } from '../../../errors/index.ts';
import { RpcFailure } from '../rpc/failure.ts';

export const NFS_STATUS = {
  PERM: 1,
  NOENT: 2,
  IO: 5,
  ACCES: 13,
  EXIST: 17,
  NOTDIR: 20,
  INVAL: 22,
  FBIG: 27,
  NOSPC: 28,
  ROFS: 30,
  NAMETOOLONG: 63,
  DQUOT: 69,
  STALE: 70,
  BADHANDLE: 10_001,
  NOTSUPP: 10_004,
  /** NFS3ERR_JUKEBOX and NFS4ERR_DELAY: later. */
  DELAY: 10_008,
  WRONGSEC: 10_016,
  GRACE: 10_013,
  FHEXPIRED: 10_014,
} as const;

const NAMES = new Map<number, string>(
  Object.entries(NFS_STATUS).map(([name, status]) => [status, name]),
);

export class NfsError extends Error {
  override readonly name = 'NfsError';
  readonly status: number;

  constructor(status: number, what: string) {
    super(`${what}: the server says ${NAMES.get(status) ?? 'status'} (${status})`);
    this.status = status;
  }
}

export function isStatus(error: unknown, ...statuses: readonly number[]): boolean {
  return error instanceof NfsError && statuses.includes(error.status);
}

/** The server wants the same call again, later. */
export function isPutOff(status: number): boolean {
  return status === NFS_STATUS.DELAY || status === NFS_STATUS.GRACE;
}

/** The file is not there any more. */
export function isGone(status: number): boolean {
  return errnoOfStatus(status) === 'ESTALE';
}

const ERRNOS: ReadonlyMap<number, Errno> = new Map<number, Errno>([
  [NFS_STATUS.PERM, 'EPERM'],
  [NFS_STATUS.NOENT, 'ESTALE'],
  [NFS_STATUS.ACCES, 'EPERM'],
  [NFS_STATUS.INVAL, 'EINVAL'],
  [NFS_STATUS.FBIG, 'ENOSPC'],
  [NFS_STATUS.NOSPC, 'ENOSPC'],
  [NFS_STATUS.ROFS, 'EROFS'],
  [NFS_STATUS.DQUOT, 'ENOSPC'],
  [NFS_STATUS.STALE, 'ESTALE'],
  [NFS_STATUS.BADHANDLE, 'ESTALE'],
  [NFS_STATUS.FHEXPIRED, 'ESTALE'],
  [NFS_STATUS.NOTSUPP, 'ENOTSUP'],
]);

export function errnoOfStatus(status: number): Errno {
  return ERRNOS.get(status) ?? 'EIO';
}

function errnoOfFailure(failure: RpcFailure): Errno {
  switch (failure.kind) {
    case 'timeout':
    case 'lost':
      return 'ETIMEDOUT';
    case 'closed':
      return 'ESHUTDOWN';
    case 'auth-error':
      return 'EPERM';
    case 'malformed':
    case 'rpc-mismatch':
    case 'program-unavailable':
    case 'program-mismatch':
    case 'procedure-unavailable':
    case 'garbage-arguments':
    case 'system-error':
      return 'EIO';
  }
}

/** What the data path throws for whatever a share threw. */
export function blockErrorOf(
  error: unknown,
  operation: BlockOperation,
  offset: number,
  length: number,
): BlockError {
  if (error instanceof BlockError) return error;
  const errno =
    error instanceof NfsError
      ? errnoOfStatus(error.status)
      : error instanceof RpcFailure
        ? errnoOfFailure(error)
        : 'EIO';
  const message = error instanceof Error ? error.message : String(error);
  return new BlockError(errno, operation, offset, length, message, { cause: error });
}
