/** What an array says, in the control plane's words: one table, total and without a default. */
import {
  ArrayError,
  type ArrayErrorCode,
  BlockError,
  Fault,
  type FaultCode,
} from '../../errors/index.ts';

const FAULT_OF: Readonly<Record<ArrayErrorCode, FaultCode>> = {
  INVALID_ARGUMENT: 'INVALID_INPUT',
  OUT_OF_RANGE: 'INVALID_INPUT',
  SHRINK_REFUSED: 'INVALID_INPUT',
  NOT_FOUND: 'NOT_FOUND',
  ALREADY_EXISTS_DIFFERENT: 'ALREADY_EXISTS',
  ALREADY_MANAGED: 'ALREADY_EXISTS',
  IN_USE: 'IN_USE',
  EXCLUSIVE_ATTACHED: 'IN_USE',
  HAS_DEPENDENTS: 'IN_USE',
  LOCKED: 'IN_USE',
  NO_SPACE: 'NO_SPACE',
  QUOTA: 'NO_SPACE',
  LIMIT_REACHED: 'LIMIT_EXCEEDED',
  DEPTH_LIMIT: 'LIMIT_EXCEEDED',
  LUN_EXHAUSTED: 'LIMIT_EXCEEDED',
  BUSY: 'UNAVAILABLE',
  DEMOTION_NOT_PROPAGATED: 'UNAVAILABLE',
  TRANSFER_ACTIVE: 'UNAVAILABLE',
  SPLIT_BRAIN: 'UNAVAILABLE',
  DIVERGED: 'UNAVAILABLE',
  NEWER_SNAPSHOTS: 'IN_USE',
  AUTH_FAILED: 'PERMISSION_DENIED',
  PERMISSION_DENIED: 'PERMISSION_DENIED',
  TLS_UNTRUSTED: 'PERMISSION_DENIED',
  UNREACHABLE: 'UNREACHABLE',
  TIMEOUT: 'UNREACHABLE',
  PEER_UNREACHABLE: 'UNREACHABLE',
  UNKNOWN_OUTCOME: 'UNREACHABLE',
  UNSUPPORTED: 'UNSUPPORTED',
  NOT_LICENSED: 'UNSUPPORTED',
  VERSION_UNSUPPORTED: 'UNSUPPORTED',
  TOOL_MISSING: 'TOOL_MISSING',
  PATH_UNAVAILABLE: 'UNREACHABLE',
  INITIATOR_CONFLICT: 'IN_USE',
  PEER_MISSING: 'UNAVAILABLE',
  RELATIONSHIP_BROKEN: 'UNAVAILABLE',
  CURSOR_EXPIRED: 'UNAVAILABLE',
  CBT_UNAVAILABLE: 'UNSUPPORTED',
  FROZEN: 'UNAVAILABLE',
  FENCED: 'PERMISSION_DENIED',
  CANCELLED: 'CANCELLED',
  BACKEND_BUG: 'UNAVAILABLE',
};

/** Names what stands in the way, and what the array itself said. */
export function faultOfArrayError(error: ArrayError): Fault {
  const { refs = [], nativeMessage, field, value, expected } = error.details;
  const names = refs.length === 0 ? '' : `: ${refs.join(', ')}`;
  const said =
    nativeMessage === undefined || error.message.includes(nativeMessage)
      ? ''
      : ` (the array says: ${nativeMessage})`;
  return new Fault(
    FAULT_OF[error.code],
    `${error.message}${names}${said}`,
    {
      ...(field === undefined ? {} : { field }),
      ...(value === undefined ? {} : { value }),
      ...(expected === undefined ? {} : { expected }),
    },
    { cause: error },
  );
}

/** Storage that is somebody's: what may be done about it. Other errors pass unchanged. */
export function withWayOut(
  error: unknown,
  { create, takeOver }: { readonly create: boolean; readonly takeOver: boolean },
): unknown {
  if (!(error instanceof ArrayError) || error.details.expected !== undefined) return error;
  const { code, message, details } = error;
  const isNamed = (details.refs ?? []).length > 0;
  const say = (expected: string): ArrayError =>
    new ArrayError(code, message, { field: 'repository.mode', ...details, expected });
  if (code === 'ALREADY_MANAGED' && create) {
    return say(
      'storage that holds nothing yet; or --existing ID (mode existing) for what it holds',
    );
  }
  if (code === 'EXCLUSIVE_ATTACHED' && !takeOver && isNamed) {
    return say('storage that no other server has; or --take-over, which shuts that server out');
  }
  return error;
}

/** Calls that reach arrays, as control knows errors. @throws Fault */
export async function inFaults<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (error instanceof ArrayError) throw faultOfArrayError(error);
    if (signal?.aborted === true) throw new Fault('CANCELLED', 'cancelled', {}, { cause: error });
    if (error instanceof BlockError) {
      const code = error.errno === 'ENOSPC' ? 'NO_SPACE' : 'UNAVAILABLE';
      throw new Fault(code, `the storage failed: ${error.message}`, {}, { cause: error });
    }
    throw error;
  }
}
