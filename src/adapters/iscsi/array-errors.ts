/** What went wrong on iSCSI, in the words of the control port. */
import { ArrayError, type ArrayErrorCode, BlockError } from '../../errors/index.ts';
import { IscsiError, type IscsiFailure, LunUnusable } from '../../iscsi/index.ts';

const CODES: Readonly<Record<IscsiFailure, ArrayErrorCode>> = {
  unreachable: 'UNREACHABLE',
  timeout: 'TIMEOUT',
  authentication: 'AUTH_FAILED',
  'chap-algorithms': 'AUTH_FAILED',
  'target-authentication': 'AUTH_FAILED',
  authorization: 'PERMISSION_DENIED',
  'not-found': 'NOT_FOUND',
  unavailable: 'BUSY',
  refused: 'UNSUPPORTED',
  'redirect-loop': 'BACKEND_BUG',
  violation: 'BACKEND_BUG',
  ended: 'UNREACHABLE',
};

/** An ArrayError passes through unchanged. */
export function arrayErrorOf(error: unknown, signal?: AbortSignal): ArrayError {
  if (error instanceof ArrayError) return error;
  const cause = error instanceof BlockError && error.cause instanceof Error ? error.cause : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  if (signal?.aborted === true) return new ArrayError('CANCELLED', message, { cause });
  if (cause instanceof IscsiError) return new ArrayError(CODES[cause.failure], message, { cause });
  if (cause instanceof LunUnusable) {
    return new ArrayError(cause.why === 'none' ? 'NOT_FOUND' : 'BUSY', message, { cause });
  }
  if (error instanceof BlockError && error.errno === 'ESTALE') {
    return new ArrayError('NOT_FOUND', message, { cause });
  }
  if (error instanceof BlockError && error.errno === 'EINVAL') {
    return new ArrayError('INVALID_ARGUMENT', message, { cause });
  }
  return new ArrayError('UNREACHABLE', message, { cause });
}
