/** What the control port throws for whatever a share threw. */
import { ArrayError, type ArrayErrorCode, BlockError } from '../../errors/index.ts';
import { RpcFailure } from './rpc/failure.ts';
import { isStatus, NFS_STATUS, NfsError } from './share/nfs-error.ts';

const CODES: ReadonlyMap<number, ArrayErrorCode> = new Map<number, ArrayErrorCode>([
  [NFS_STATUS.PERM, 'PERMISSION_DENIED'],
  [NFS_STATUS.ACCES, 'PERMISSION_DENIED'],
  [NFS_STATUS.ROFS, 'PERMISSION_DENIED'],
  [NFS_STATUS.WRONGSEC, 'AUTH_FAILED'],
  [NFS_STATUS.NOENT, 'NOT_FOUND'],
  [NFS_STATUS.NOTDIR, 'NOT_FOUND'],
  [NFS_STATUS.STALE, 'NOT_FOUND'],
  [NFS_STATUS.BADHANDLE, 'NOT_FOUND'],
  [NFS_STATUS.FHEXPIRED, 'NOT_FOUND'],
  [NFS_STATUS.EXIST, 'ALREADY_EXISTS_DIFFERENT'],
  [NFS_STATUS.NOSPC, 'NO_SPACE'],
  [NFS_STATUS.DQUOT, 'QUOTA'],
  [NFS_STATUS.FBIG, 'OUT_OF_RANGE'],
  [NFS_STATUS.INVAL, 'INVALID_ARGUMENT'],
  [NFS_STATUS.NAMETOOLONG, 'INVALID_ARGUMENT'],
  [NFS_STATUS.NOTSUPP, 'UNSUPPORTED'],
  [NFS_STATUS.DELAY, 'BUSY'],
  [NFS_STATUS.GRACE, 'BUSY'],
]);

/** @param changes the call changes something: a lost answer is no failure */
function codeOfFailure(failure: RpcFailure, changes: boolean): ArrayErrorCode {
  switch (failure.kind) {
    case 'timeout':
      if (!failure.sent) return 'UNREACHABLE';
      return changes ? 'UNKNOWN_OUTCOME' : 'TIMEOUT';
    case 'lost':
    case 'closed':
      return changes ? 'UNKNOWN_OUTCOME' : 'UNREACHABLE';
    case 'auth-error':
      return 'AUTH_FAILED';
    case 'program-unavailable':
    case 'program-mismatch':
    case 'rpc-mismatch':
    case 'procedure-unavailable':
      return 'VERSION_UNSUPPORTED';
    case 'malformed':
    case 'garbage-arguments':
    case 'system-error':
      return 'BACKEND_BUG';
  }
}

function codeOf(error: unknown, changes: boolean): ArrayErrorCode {
  if (error instanceof NfsError) return CODES.get(error.status) ?? 'BACKEND_BUG';
  if (error instanceof RpcFailure) return codeOfFailure(error, changes);
  if (error instanceof BlockError) {
    if (error.cause !== undefined && error.cause !== error) return codeOf(error.cause, changes);
    return error.errno === 'ENOSPC' ? 'NO_SPACE' : 'BACKEND_BUG';
  }
  // node:net and node:dns say why there is no connection.
  return (error as NodeJS.ErrnoException).code === undefined ? 'BACKEND_BUG' : 'UNREACHABLE';
}

export function arrayErrorOf(error: unknown, what: string, changes: boolean): ArrayError {
  if (error instanceof ArrayError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const status = error instanceof NfsError ? { nativeCode: error.status } : {};
  const details = { cause: error, nativeMessage: message, ...status };
  return new ArrayError(codeOf(error, changes), `${what}: ${message}`, details);
}

/** @throws ArrayError */
export async function asArrayErrors<T>(
  what: string,
  changes: boolean,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw arrayErrorOf(error, what, changes);
  }
}

/** The same call again would fail again: what it began is taken away. */
export function isEnd(error: unknown): boolean {
  return (
    isStatus(error, NFS_STATUS.NOSPC, NFS_STATUS.DQUOT, NFS_STATUS.FBIG) ||
    (error instanceof ArrayError && (error.code === 'NO_SPACE' || error.code === 'CANCELLED'))
  );
}
