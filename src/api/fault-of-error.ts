/** Whatever a request threw, as a fault; and the status where HTTP has a finer word than the code. */
import { Fault } from '../errors/index.ts';
import { MAX_BODY_BYTES } from './limits.ts';

export interface HttpFault {
  readonly fault: Fault;
  readonly status: number | undefined;
}

/**
 * @param bodyLimit of the route, in bytes
 * @param bodyType what the route takes
 */
export function faultOfError(
  error: unknown,
  bodyLimit = MAX_BODY_BYTES,
  bodyType = 'application/json',
): HttpFault {
  if (error instanceof Fault) return { fault: error, status: undefined };
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  const message = error instanceof Error ? error.message : String(error);
  const options = { cause: error };
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode >= 500) {
    return { fault: new Fault('INTERNAL', message, {}, options), status: undefined };
  }
  switch (statusCode) {
    case 401: {
      const expected = 'Authorization: Bearer TOKEN, with the token of DIR/admin.token';
      const details = { field: 'authorization', expected };
      return { fault: new Fault('UNAUTHORIZED', message, details, options), status: 401 };
    }
    case 413: {
      const details = { field: 'body', expected: `at most ${bodyLimit} bytes` };
      return { fault: new Fault('LIMIT_EXCEEDED', message, details, options), status: 413 };
    }
    case 415: {
      const details = { field: 'content-type', expected: bodyType };
      return { fault: new Fault('INVALID_INPUT', message, details, options), status: 415 };
    }
    default: // malformed JSON, a bad URL …: the request is wrong, and fastify says how
      return { fault: new Fault('INVALID_INPUT', message, {}, options), status: statusCode };
  }
}
