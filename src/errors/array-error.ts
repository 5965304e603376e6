/**
 * What an array's control port answers when it does not do what it was asked: one class, a closed set of
 * codes, and what is left to do about it. The array's own words travel along for the log and for people.
 */

/** What helps, if anything does. */
export type ArrayRetry =
  /** The request is wrong, or the array cannot: the same call fails again. */
  | 'never'
  /** Somebody must make room, split, unmap or choose first. */
  | 'operator'
  /** The array is busy or out of reach: the same call, later. */
  | 'back-off'
  /** The answer was lost: look by tag whether it happened, before anything else. */
  | 're-read';

const RETRY = {
  INVALID_ARGUMENT: 'never',
  OUT_OF_RANGE: 'never',
  SHRINK_REFUSED: 'never',
  NOT_FOUND: 'never',
  ALREADY_EXISTS_DIFFERENT: 'never',
  ALREADY_MANAGED: 'never',
  IN_USE: 'operator',
  EXCLUSIVE_ATTACHED: 'operator',
  HAS_DEPENDENTS: 'operator',
  LOCKED: 'operator',
  NO_SPACE: 'operator',
  QUOTA: 'operator',
  LIMIT_REACHED: 'operator',
  DEPTH_LIMIT: 'operator',
  LUN_EXHAUSTED: 'operator',
  BUSY: 'back-off',
  DEMOTION_NOT_PROPAGATED: 'back-off',
  TRANSFER_ACTIVE: 'back-off',
  SPLIT_BRAIN: 'operator',
  DIVERGED: 'operator',
  NEWER_SNAPSHOTS: 'operator',
  AUTH_FAILED: 'operator',
  PERMISSION_DENIED: 'operator',
  TLS_UNTRUSTED: 'operator',
  UNREACHABLE: 'back-off',
  TIMEOUT: 'back-off',
  PEER_UNREACHABLE: 'back-off',
  UNKNOWN_OUTCOME: 're-read',
  UNSUPPORTED: 'never',
  NOT_LICENSED: 'never',
  VERSION_UNSUPPORTED: 'never',
  TOOL_MISSING: 'operator',
  PATH_UNAVAILABLE: 'operator',
  INITIATOR_CONFLICT: 'operator',
  PEER_MISSING: 'operator',
  RELATIONSHIP_BROKEN: 'operator',
  CURSOR_EXPIRED: 'back-off',
  CBT_UNAVAILABLE: 'never',
  FROZEN: 'operator',
  FENCED: 'operator',
  CANCELLED: 'never',
  BACKEND_BUG: 'back-off',
} as const satisfies Record<string, ArrayRetry>;

export type ArrayErrorCode = keyof typeof RETRY;

export const ARRAY_ERROR_CODES = Object.keys(RETRY) as readonly ArrayErrorCode[];

export interface ArrayErrorDetails extends ErrorOptions {
  /** The array's own code, exit status or errno. */
  readonly nativeCode?: string | number;
  /** The array's own words. Never a secret. */
  readonly nativeMessage?: string;
  /** Names of what stands in the way: dependents, hosts that are attached … */
  readonly refs?: readonly string[];
  /** Of the request, as far as it is one field's fault. */
  readonly field?: string;
  readonly value?: unknown;
  readonly expected?: string;
}

export class ArrayError extends Error {
  override readonly name = 'ArrayError';
  readonly code: ArrayErrorCode;
  readonly retry: ArrayRetry;
  readonly details: ArrayErrorDetails;

  constructor(code: ArrayErrorCode, message: string, details: ArrayErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retry = RETRY[code];
    this.details = details;
  }
}

/** Whether it was done is not known: a look at the array tells. */
export function isAnswerLost(error: unknown): error is ArrayError {
  return error instanceof ArrayError && error.retry === 're-read';
}
