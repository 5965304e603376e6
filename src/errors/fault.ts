/**
 * Control-plane errors. Codes are never renamed: programs match on them. Each has a line in
 * docs/ERRORS.md (a test compares the two) and an HTTP status in src/api/problem.ts.
 */
export const FAULT_CODES = [
  'INVALID_INPUT', // a field of the request, the configuration or the command line is wrong
  'UNAUTHORIZED', // no bearer token, or a wrong one
  'NOT_FOUND', // no such vDisk, machine, task, file …
  'ALREADY_EXISTS', // the name or the MAC address is taken
  'IN_USE', // something still depends on it or has it open
  'EXPORT_NOT_FOUND', // no NBD export of that name
  'IMAGE_INVALID', // the image file is truncated, corrupt or not of its format
  'IMAGE_UNSUPPORTED', // a valid image that uses a feature we do not read
  'BACKING_FILE_MISSING', // an image's backing file or parent cannot be opened
  'NO_SPACE', // the repository cannot hold it
  'TOOL_MISSING', // an external program (qemu-img …) is needed and not installed
  'UNSUPPORTED', // the storage cannot do that
  'UNREACHABLE', // the storage does not answer; it is tried again
  'HOOK_FAILED', // a hook whose policy is abort has failed
  'ADDRESS_IN_USE', // a port is taken by another program
  'PERMISSION_DENIED', // the system refused: a privileged port, a folder …
  'CANCELLED', // the task was cancelled
  'LIMIT_EXCEEDED', // a named limit of docs/LIMITS.md
  'UNAVAILABLE', // shutting down, or not started
  'INTERNAL', // a bug of ours
] as const;

export type FaultCode = (typeof FAULT_CODES)[number];

/** What was wrong, in terms of the field and the value given. */
export interface FaultDetails {
  /** Dotted name of the field, e.g. `machine.mac`. */
  readonly field?: string;
  /** The value as it was given. Never a secret. */
  readonly value?: unknown;
  /** What would have been right. */
  readonly expected?: string;
}

export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: FaultCode;
  readonly details: FaultDetails;

  constructor(
    code: FaultCode,
    message: string,
    details: FaultDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}
