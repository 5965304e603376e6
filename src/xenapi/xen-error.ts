/** A failure as XenAPI tells it: a code and texts. */
import type { ErrorCode, ErrorParameters } from './datamodel/errors.ts';

export class XenError extends Error {
  override readonly name = 'XenError';
  /** Code first: `ErrorDescription` of the wire. */
  readonly description: readonly [string, ...string[]];

  /** Of a code whose parameters are settled (datamodel/errors.ts). */
  constructor(code: ErrorCode, parameters: readonly string[]);
  constructor(code: `SR_BACKEND_FAILURE_${number}`, parameters: readonly [string, string, string]);
  constructor(code: string, parameters: readonly string[]) {
    super([code, ...parameters].join(', '));
    this.description = [code, ...parameters];
  }

  get code(): string {
    return this.description[0];
  }
}

/** Checked against the code's own list of parameters; prefer it to the constructor. */
export function xenError<C extends ErrorCode>(
  code: C,
  ...parameters: ErrorParameters<C>
): XenError {
  return new XenError(code, parameters as readonly unknown[] as readonly string[]);
}

/**
 * What a storage driver says (sm XE_SR_ERRORCODES.xml): always three parameters, the second its message, the
 * third what probes answer with.
 */
export function backendFailure(number: number, message: string, answer = ''): XenError {
  return new XenError(`SR_BACKEND_FAILURE_${number}`, ['', message, answer]);
}
