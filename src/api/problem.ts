/**
 * Errors on this wire: problem+json (RFC 9457). One table from fault codes to statuses, total and
 * without a default; docs/ERRORS.md shows the same.
 */
import Type, { type Static } from 'typebox';
import { FAULT_CODES, type Fault, type FaultCode } from '../errors/index.ts';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

export interface ProblemKind {
  readonly status: number;
  readonly title: string;
}

export const PROBLEMS: Readonly<Record<FaultCode, ProblemKind>> = {
  INVALID_INPUT: { status: 400, title: 'Something in the request is wrong' },
  UNAUTHORIZED: { status: 401, title: 'The bearer token is missing or wrong' },
  NOT_FOUND: { status: 404, title: 'There is no such thing' },
  ALREADY_EXISTS: { status: 409, title: 'It is taken' },
  IN_USE: { status: 409, title: 'Something still uses it' },
  EXPORT_NOT_FOUND: { status: 404, title: 'There is no such export' },
  IMAGE_INVALID: { status: 422, title: 'The image is damaged' },
  IMAGE_UNSUPPORTED: { status: 422, title: 'The image needs what Rootcast cannot do' },
  BACKING_FILE_MISSING: { status: 422, title: 'The backing file of the image is missing' },
  NO_SPACE: { status: 507, title: 'There is no space left' },
  TOOL_MISSING: { status: 501, title: 'A program that is needed is not installed' },
  UNSUPPORTED: { status: 422, title: 'The storage cannot do that' },
  UNREACHABLE: { status: 503, title: 'The storage does not answer' },
  HOOK_FAILED: { status: 422, title: 'A hook has failed' },
  ADDRESS_IN_USE: { status: 409, title: 'The address is in use' },
  PERMISSION_DENIED: { status: 403, title: 'That is not allowed' },
  CANCELLED: { status: 409, title: 'It was cancelled' },
  LIMIT_EXCEEDED: { status: 422, title: 'A limit is reached' },
  UNAVAILABLE: { status: 503, title: 'The service cannot do it now' },
  INTERNAL: { status: 500, title: 'A bug in Rootcast' },
};

export const Problem = Type.Object(
  {
    type: Type.String({ description: 'urn:rootcast:fault:CODE' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.Unsafe<FaultCode>({ type: 'string', enum: [...FAULT_CODES] }),
    field: Type.Optional(Type.String({ description: 'what was wrong' })),
    value: Type.Optional(Type.Unknown({ description: 'the value as it was given' })),
    expected: Type.Optional(Type.String({ description: 'what would have been right' })),
    requestId: Type.String({ description: 'find it in the log of the service' }),
  },
  { description: 'RFC 9457' },
);
export type Problem = Static<typeof Problem>;

export function problemOf(fault: Fault, requestId: string, status?: number): Problem {
  const { code } = fault;
  const { field, value, expected } = fault.details;
  const kind = PROBLEMS[code];
  return {
    type: `urn:rootcast:fault:${code}`,
    title: kind.title,
    status: status ?? kind.status,
    // What a bug of ours says is for the log: it may hold anything.
    detail: code === 'INTERNAL' ? 'see the log of the service' : fault.message,
    code,
    ...(field === undefined ? {} : { field }),
    ...(value === undefined ? {} : { value }),
    ...(expected === undefined ? {} : { expected }),
    requestId,
  };
}
