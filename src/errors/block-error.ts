import { type Errno, errnoOf } from './errno.ts';

export type BlockOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'flush'
  | 'trim'
  | 'zero'
  | 'cache'
  | 'extents';

/**
 * The only error that a BlockDevice may throw or reject with. `errno` travels unchanged from the
 * adapter to the wire; `cause` keeps what really happened for the log.
 */
export class BlockError extends Error {
  override readonly name = 'BlockError';
  readonly errno: Errno;
  readonly operation: BlockOperation;
  readonly offset: number;
  readonly length: number;

  constructor(
    errno: Errno,
    operation: BlockOperation,
    offset: number,
    length: number,
    detail: string,
    options?: ErrorOptions,
  ) {
    super(`${operation} of ${length} bytes at ${offset}: ${errno}: ${detail}`, options);
    this.errno = errno;
    this.operation = operation;
    this.offset = offset;
    this.length = length;
  }

  /** Wraps whatever a system call threw; a BlockError passes through unchanged. */
  static from(
    error: unknown,
    operation: BlockOperation,
    offset: number,
    length: number,
  ): BlockError {
    if (error instanceof BlockError) return error;
    const detail = error instanceof Error ? error.message : String(error);
    return new BlockError(errnoOf(error), operation, offset, length, detail, { cause: error });
  }
}
