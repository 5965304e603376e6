/**
 * Where an error of the device is narrowed to an NBD error, and its true cause logged, once.
 */
import { BlockError, type Errno } from '../errors/index.ts';
import type { Logger } from './logger.ts';
import {
  NBD_CMD_FLAG_DF,
  NBD_CMD_FLAG_FAST_ZERO,
  NBD_CMD_READ,
  NBD_CMD_WRITE,
  NBD_CMD_WRITE_ZEROES,
  NBD_EINVAL,
  NBD_EIO,
} from './wire/constants.ts';
import { NBD_ERROR, type Request } from './wire/index.ts';

export interface Failure {
  /** An NBD error value. */
  readonly error: number;
  /** For the person at the client: what and which errno. Never a path or a name of ours. */
  readonly message: string;
  /** Where it happened, when that lies within the request. */
  readonly offset: number | undefined;
}

export class FailureLog {
  readonly #log: Logger;
  readonly #context: object;
  readonly #seen = new Set<string>();

  /** @param context what every line carries: who, which export */
  constructor(log: Logger, context: object) {
    this.#log = log;
    this.#context = context;
  }

  narrow(request: Request, failure: unknown): Failure {
    if (!(failure instanceof BlockError)) {
      // The seam allows nothing else: this is a bug of a device, not a fault of the disk.
      const details = { ...this.#context, err: failure };
      this.#log.error(details, 'a device failed with something that is not a BlockError');
      return { error: NBD_EIO, message: 'internal error', offset: undefined };
    }
    this.#report(failure);
    return {
      error: nbdError(failure.errno, request),
      message: `${failure.operation} failed: ${failure.errno}`,
      offset: offsetWithin(failure.offset, request),
    };
  }

  /** A full disk fails every write of a busy machine: the first of a kind is news, the rest is noise. */
  #report(failure: BlockError): void {
    const kind = `${failure.operation} ${failure.errno}`;
    const details = { ...this.#context, err: failure };
    if (this.#seen.has(kind)) {
      this.#log.debug(details, `${kind} again`);
      return;
    }
    this.#seen.add(kind);
    this.#log.warn(
      details,
      `${kind}: answered with an error; more of the same are logged at debug`,
    );
  }
}

/** Two values are reserved for the requests that are documented to expect them ("Error values"). */
function nbdError(errno: Errno, request: Request): number {
  const { type, flags } = request;
  if (errno === 'ENOTSUP') {
    const expected = type === NBD_CMD_WRITE_ZEROES && (flags & NBD_CMD_FLAG_FAST_ZERO) !== 0;
    return expected ? NBD_ERROR.ENOTSUP : NBD_EINVAL;
  }
  if (errno === 'EOVERFLOW') {
    const fragmentable = type === NBD_CMD_READ && (flags & NBD_CMD_FLAG_DF) === 0;
    return type === NBD_CMD_WRITE || fragmentable ? NBD_EINVAL : NBD_ERROR.EOVERFLOW;
  }
  return NBD_ERROR[errno];
}

function offsetWithin(offset: number, request: Request): number | undefined {
  const inside = offset >= request.offset && offset < request.offset + request.length;
  return inside ? offset : undefined;
}
